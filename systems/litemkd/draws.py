"""Random choices as pure functions of where they are made: seed, episode, what for, of which clip.

The numbers are the raw stream of Philox-4x64, whose bits numpy guarantees, as in ``models.training.crops``. So an episode
does not depend on how many processes load it, in which order, or where an earlier run was killed.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

#: What numbers are drawn for: a word of the counter. ``models.training.crops`` has 0 to 3.
EPISODE, FRAMES, VIEW, VAL_EPISODE, TEST_EPISODE, DUMP_VIEW, FIXED_VIEW, SEEN_VIEW = range(16, 24)
#: Numbers fetched at a time.
AHEAD = 256


class Chance(Protocol):
    """What draws: :class:`Draws`, or ``random.Random``, with which the published code draws."""

    def random(self) -> float:
        """A number in [0, 1)."""

    def randint(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""


class Draws:
    """One stream of numbers. All arguments are from 0 to 2^64 - 1; ``item`` tells the clips of an episode apart."""

    def __init__(self, seed: int, index: int, use: int, item: int = 0) -> None:
        key, counter = np.array([seed, index], np.uint64), np.array([0, use, 0, item], np.uint64)
        self._bits = np.random.Philox(key=key, counter=counter)
        self._ready: list[float] = []

    def random(self) -> float:
        """A number in [0, 1), 53 bits."""
        if not self._ready:
            self._ready = ((self._bits.random_raw(AHEAD) >> np.uint64(11)) * 2.0**-53).tolist()[::-1]
        return self._ready.pop()

    def randint(self, low: int, high: int) -> int:
        """An integer from ``low`` to ``high``, both included."""
        return low + min(int(self.random() * (high - low + 1)), high - low)

    def sample(self, count: int, wanted: int) -> list[int]:
        """``wanted`` different numbers of 0..count-1 in random order. Raises ValueError if there are not so many."""
        if wanted > count:
            raise ValueError(f"{wanted} of {count}")
        moved: dict[int, int] = {}
        taken = []
        for place in range(wanted):  # Fisher and Yates, from the front; only what was moved is kept
            other = self.randint(place, count - 1)
            taken.append(moved.get(other, other))
            moved[other] = moved.get(place, place)
        return taken
