"""Which pictures of a video make a clip (spec 1.4)."""

from __future__ import annotations

from cache.errors import DataError
from models.training.crops import At, offset


def picture_numbers(count: int, frames: int = 64, at: At | None = None) -> list[int]:
    """Numbers, from 1, of ``frames`` consecutive pictures of ``count``; short videos begin again at their first.

    The clip begins anywhere, drawn by ``at``, or in the middle. The last picture is never in the clip of a longer video, as published:
    there is one flow less than frames. Raises DataError for a video without pictures.
    """
    if count < 1:
        raise DataError("a video without pictures", hint="leave it out of the list")
    room = count - 1 - frames
    first = 0
    if room >= 0:
        first = (room + 1) // 2 if at is None else offset(at, room)
    return [(first + step) % count + 1 for step in range(frames)]
