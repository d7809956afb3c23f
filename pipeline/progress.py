"""How far work is: bars with rates and time left on a terminal, a line for each epoch of a training in a pipe, JSON lines on demand."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from cache.stage import Epoch
from pipeline.sinks.listening import Listening
from pipeline.sinks.sink import Run, Spec
from pipeline.text import time_text

#: How many numbers of the validation are shown of an epoch where none selects it.
SHOWN = 3


class Bar:
    """One bar; a context manager with ``step`` and, for trainings, ``epoch``, which also goes to what ``listens``."""

    def __init__(self, label: str, total: int | None, unit: str, mode: str, listening: Listening | None = None) -> None:
        self.label = label
        self.total = total
        self.mode = mode
        self.done = 0
        self._last = 0.0
        self._begun: tuple[float, int] | None = None
        self._listening = listening
        self._bar: Any = None
        if mode == "bar":
            from tqdm import tqdm

            self._bar = tqdm(total=total, desc=label, unit=unit, leave=False, dynamic_ncols=True, smoothing=0.05)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()
        self._line(last=True)
        if self._listening is not None:
            self._listening.close()

    def step(self, n: int = 1, note: str = "") -> None:
        """Count ``n`` more; ``note`` is shown beside the bar."""
        self.done += n
        if self._begun is None:  # a run that goes on is told first what was done before
            self._begun = time.monotonic(), self.done
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(n)
        self._line(note=note)

    def epoch(self, epoch: Epoch) -> None:
        """Tell how an epoch of a training went: beside the bar, or as a line of its own."""
        if self._bar is not None:
            self._bar.set_postfix_str(epoch_text(epoch), refresh=True)
        elif self.mode == "lines":
            left = self.seconds_left()
            about = "" if left is None or epoch.number == epoch.of else f"; about {time_text(left)} left"
            sys.stderr.write(f"{self.label}: {epoch_text(epoch)}{about}\n")
        elif self.mode == "json":
            write_event("epoch", what=self.label, **epoch_event(epoch), seconds_left=self.seconds_left())
        if self._listening is not None:
            self._listening.epoch(epoch)

    def seconds_left(self) -> float | None:
        """A guess at how long the rest takes, from the pace so far; None if nothing is known of it."""
        if self._begun is None or self.total is None or self.done <= self._begun[1]:
            return None
        since, before = self._begun
        return round((time.monotonic() - since) / (self.done - before) * max(0, self.total - self.done), 1)

    def _line(self, *, note: str = "", last: bool = False) -> None:
        now = time.monotonic()
        if self.mode != "json" or (not last and now - self._last < 1.0):
            return
        self._last = now
        write_event("progress", what=self.label, done=self.done, total=self.total, **({"note": note} if note else {}))


class Bars:
    """Makes bars for one node; ``mode`` is ``"bar"``, ``"lines"``, ``"json"`` or ``"quiet"``.

    Epochs also go to ``sinks``, as those of ``run``.
    """

    def __init__(self, node: str, mode: str, sinks: Sequence[Spec] = (), run: Run | None = None) -> None:
        self.node = node
        self.mode = mode
        self.sinks = tuple(sinks)
        self.run = run

    def __call__(self, what: str = "", total: int | None = None, unit: str = "item") -> Bar:
        listening = Listening(self.sinks, self.run) if self.sinks and self.run is not None else None
        return Bar(f"{self.node} {what}".strip(), total, unit, self.mode, listening)


def mode(log_json: bool) -> str:
    """How progress is shown here."""
    if log_json:
        return "json"
    return "bar" if sys.stderr.isatty() else "lines"


def say_json(line: str) -> None:
    """A line for people among JSON lines."""
    write_event("message", text=line)


def write_event(event: str, **facts: Any) -> None:
    """A JSON line on standard error."""
    sys.stderr.write(json.dumps({"event": event, **facts}) + "\n")


def epoch_text(epoch: Epoch) -> str:
    """``"epoch 3/20: loss 1.234, val_accuracy 0.412 (best so far)"``."""
    record = epoch.record
    losses = {name.removeprefix("train_"): value for name, value in record.items() if name.startswith("train_") and name.endswith("loss")}
    measured = {name: value for name, value in record.items() if name.startswith("val_")}
    if epoch.by:
        measured = {name: value for name, value in measured.items() if name == epoch.by}
    shown = {**losses, **dict(list(measured.items())[:SHOWN])}
    text = ", ".join(f"{name} {value:.4g}" for name, value in shown.items())
    best = "" if not epoch.by or not epoch.best else " (best so far)" if epoch.best == epoch.number else f" (best: epoch {epoch.best})"
    return f"epoch {epoch.number}/{epoch.of}" + (f": {text}{best}" if text else "")


def epoch_event(epoch: Epoch) -> Mapping[str, Any]:
    """An epoch as JSON has it, with everything that was measured in it."""
    measured = {name: value for name, value in epoch.record.items() if name != "epoch"}
    return {"epoch": epoch.number, "of": epoch.of, "measured": measured, "by": epoch.by or None, "best": epoch.best or None}
