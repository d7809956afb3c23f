"""When a checkpoint is worth its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Pace:
    """Checkpoints about every ``seconds`` and after epochs, but never more of them than ``share`` of the time pays for.

    What the next one will cost is not known before: the last one's cost stands for it, and the first one is free. It changes nothing
    in a result.
    """

    def __init__(self, seconds: float = 30.0, share: float = 0.02, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds, self.share, self.clock = seconds, share, clock
        self.began = self.saved = clock()
        self.spent = self.last = 0.0

    def due(self, *, between: bool) -> bool:
        """Whether to write one now, ``between`` two epochs or in the middle of one."""
        now = self.clock()
        paid = self.spent + self.last <= self.share * (now - self.began)
        return paid and (between or now - self.saved > self.seconds)

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Measures a checkpoint that is written inside."""
        begin = self.clock()
        yield
        self.saved = self.clock()
        self.last = self.saved - begin
        self.spent += self.last
