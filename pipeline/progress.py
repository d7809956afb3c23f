"""Progress bars with rates and time left on a terminal, silence in a pipe, JSON lines on demand."""

from __future__ import annotations

import json
import sys
import time
from typing import Any


class Bar:
    """One bar; a context manager with ``step``."""

    def __init__(self, label: str, total: int | None, unit: str, mode: str) -> None:
        self.label = label
        self.total = total
        self.mode = mode
        self.done = 0
        self._last = 0.0
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

    def step(self, n: int = 1, note: str = "") -> None:
        """Count ``n`` more; ``note`` is shown beside the bar."""
        self.done += n
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(n)
        self._line(note=note)

    def _line(self, *, note: str = "", last: bool = False) -> None:
        now = time.monotonic()
        if self.mode != "json" or (not last and now - self._last < 1.0):
            return
        self._last = now
        event = {"event": "progress", "what": self.label, "done": self.done, "total": self.total, **({"note": note} if note else {})}
        sys.stderr.write(json.dumps(event) + "\n")


class Bars:
    """Makes bars for one node; ``mode`` is ``"bar"``, ``"json"`` or ``"quiet"``."""

    def __init__(self, node: str, mode: str) -> None:
        self.node = node
        self.mode = mode

    def __call__(self, what: str = "", total: int | None = None, unit: str = "item") -> Bar:
        return Bar(f"{self.node} {what}".strip(), total, unit, self.mode)


def mode(log_json: bool) -> str:
    """How progress is shown here."""
    if log_json:
        return "json"
    return "bar" if sys.stderr.isatty() else "quiet"
