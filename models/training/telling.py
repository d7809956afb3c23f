"""What processes that share a training say of it: the first speaks, and the bar that it means is where the work was asked for.

A bar cannot go to another process: it belongs to what calls this package, and a worker that loaded that would run code that no key sees.
So shared work is given :func:`progress`, which every process understands in its own way. The first of those that were started here writes
lines (:class:`Writing`), which the one that waits for it reads (:class:`Reading`); the first of a launcher's has the bars themselves; all
others say nothing.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from cache.stage import Epoch, Progress, Quiet

_own: Callable[..., Progress] = Quiet


def progress(what: str = "", total: int | None = None, unit: str = "item") -> Progress:
    """A bar of shared work, as this process has them; unlike what makes bars, this function can be pickled."""
    return _own(what, total, unit)


@contextlib.contextmanager
def through(factory: Callable[..., Progress]) -> Iterator[None]:
    """Inside, what this process says of shared work goes to bars of ``factory``."""
    global _own
    before, _own = _own, factory
    try:
        yield
    finally:
        _own = before


class Writing:
    """A factory of bars whose calls become lines of a file. Once something cannot be written (a full disk), nothing more is said: it
    ends no training."""

    def __init__(self, path: Path) -> None:
        self._bars = 0
        self._file: IO[bytes] | None = None
        with contextlib.suppress(OSError):
            self._file = path.open("ab", buffering=0)

    def __call__(self, what: str = "", total: int | None = None, unit: str = "item") -> WrittenBar:
        self._bars += 1
        return WrittenBar(partial(self._say, self._bars), (what, total, unit))

    def _say(self, *line: Any) -> None:
        text = json.dumps(line).encode() + b"\n"
        try:
            if self._file is not None and self._file.write(text) != len(text):
                self._file = None  # a line that was cut off would spoil the next
        except OSError:
            self._file = None


class WrittenBar:
    """One bar of :class:`Writing`."""

    def __init__(self, say: Callable[..., None], labels: tuple[str, int | None, str]) -> None:
        self._say, self._labels = say, labels

    def __enter__(self) -> WrittenBar:
        self._say("begin", *self._labels)
        return self

    def __exit__(self, *exc: object) -> None:
        self._say("end")

    def step(self, n: int = 1, note: str = "") -> None:
        """Count ``n`` more."""
        self._say("step", n, note)

    def epoch(self, epoch: Epoch) -> None:
        """Tell how an epoch went."""
        self._say("epoch", vars(epoch))


class Reading:
    """The other end of :class:`Writing`: lets bars of ``factory`` do what was written since it last looked. A context manager."""

    def __init__(self, path: Path, factory: Callable[..., Progress]) -> None:
        self._path, self._factory = path, factory
        self._at, self._begun = 0, b""
        self._bars: dict[int, Progress] = {}

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *exc: object) -> None:
        self.look()
        for number in list(self._bars):
            self._bars.pop(number).__exit__(None, None, None)

    def look(self) -> None:
        """Pass on every whole line that is new."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except OSError:
            return
        self._at += len(new)
        *lines, self._begun = (self._begun + new).split(b"\n")
        for line in lines:
            number, what, *rest = json.loads(line)
            self._hear(number, what, rest)

    def _hear(self, number: int, what: str, rest: list[Any]) -> None:
        if what == "begin":
            self._bars[number] = self._factory(*rest).__enter__()
        elif what == "end":
            self._bars.pop(number).__exit__(None, None, None)
        elif what == "step":
            self._bars[number].step(*rest)
        else:
            self._bars[number].epoch(Epoch(**rest[0]))
