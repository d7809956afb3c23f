"""Which frames of a video a network sees (spec B.5)."""

from __future__ import annotations

import numpy as np

from cache.errors import DataError
from systems.litemkd.draws import Chance

#: How far the ends of the window may move in training, in frames.
ROOM = 5


def frame_indices(count: int, chance: Chance | None = None, *, frames: int = 8) -> list[int]:
    """Evenly placed indices of ``frames`` of ``count`` frames: the same ones always, or with ends drawn by ``chance``, in training.

    The first and the last frame are left out where there is room. Raises DataError for a video of fewer frames.
    """
    if count < frames:
        raise DataError(f"a video of {count} frames; {frames} are needed", hint="leave it out of the episodes, as the published code does")
    first, last = 1, count - 2
    if chance is not None:
        room = min(ROOM, (count - frames) // 2)
        first, last = (chance.randint(0, room), chance.randint(count - 1 - room, count - 1)) if room >= 1 else (0, count - 1)
    if count == frames or last - first < frames:
        first, last = 0, count - 1
    return np.linspace(first, last, frames).astype(int).tolist()
