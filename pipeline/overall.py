"""How far a run over several nodes is: ``[7/20]``, and about how long the rest takes."""

from __future__ import annotations

from collections.abc import Iterable

from cache.errors import KdpipeError
from pipeline.estimate import Estimates
from pipeline.judge import FRESH, Judge
from pipeline.progress import write_event
from pipeline.runner import Options
from pipeline.text import time_text


class Overall:
    """Over one run. A node that is not fresh at its start counts, also if it turns out to need no run when its turn comes."""

    def __init__(self, judge: Judge, names: Iterable[str], options: Options) -> None:
        self._options = options
        self._left = _estimated(judge, names)
        self._total = len(self._left)

    def begin(self, name: str, reason: str) -> None:
        """Say that a node begins to run, which one of how many it is, and how long all that is left takes."""
        number, seconds = self._total - len(self._left) + 1, self.seconds_left
        more = " or more" if None in self._left.values() else ""
        left = "" if seconds is None else f"; about {time_text(seconds)}{more} left"
        say_begin(self._options, name, reason, number, self._total, seconds, left)

    def settle(self, name: str) -> None:
        """A node needs nothing more."""
        self._left.pop(name, None)

    @property
    def seconds_left(self) -> float | None:
        """What the nodes that are left are estimated to take together; None if nothing is known of any."""
        known = [seconds for seconds in self._left.values() if seconds is not None]
        return round(sum(known), 1) if known else None


def say_begin(options: Options, name: str, reason: str, number: int, of: int, seconds: float | None = None, left: str = "") -> None:
    """Say that a node begins to run, ``number`` of so many; ``left`` says to people how long the rest takes, ``seconds`` to programs."""
    if options.progress == "json":
        write_event("node", node=name, number=number, of=of, reason=reason, seconds_left=seconds)
        return
    place = f"[{number}/{of}] " if of > 1 else ""
    options.say(f"{place}{name}: running ({reason}){left}")


def _estimated(judge: Judge, names: Iterable[str]) -> dict[str, float | None]:
    """The nodes that are not fresh, each with its estimate in seconds; what cannot be judged yet is not known."""
    found: dict[str, float | None] = {}
    estimates: Estimates | None = None
    for name in names:
        try:
            state = judge.state(name)
            if state.status == FRESH:
                continue
            estimates = estimates or Estimates(judge)
            found[name] = estimates.of(state).seconds
        except KdpipeError:  # it is raised when its turn comes
            found[name] = None
    return found
