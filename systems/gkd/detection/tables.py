"""What an index says of its videos and their actions, as training wants it: in frames, with numbers for classes.

The index has read the tables that AFSD made of THUMOS14 where they are there (``stages/index/thumos14_tables.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError, nearest


@dataclass(frozen=True)
class VideoInfo:
    """Pictures a second and in all: of the video (``fps``, ``count``), and of what is sampled of it (``sample_fps``, ``sample_count``)."""

    fps: float
    sample_fps: float
    count: float
    sample_count: int


@dataclass
class Annotations:
    """``rows``: video -> (n, 3), start and end in frames of the video, class from 1. ``ambiguous``: video -> how many rows are left out."""

    rows: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    ambiguous: Counter[str] = field(default_factory=Counter)


def listed(
    rows: Iterable[Mapping[str, Any]], classes: Sequence[str], infos: Mapping[str, VideoInfo], ambiguous: Iterable[Sequence[Any]] = ()
) -> Annotations:
    """The instances of an index: ``rows`` of its annotations (``video_id``, ``classes``, ``segment`` in seconds), those of ``infos``.

    ambiguous: what ``dataset.json`` lists as such: a video, and maybe more. Frames are not rounded. Raises
    DataError for an annotation without a segment, and for a class that is not among ``classes``.
    """
    numbers = {name: number for number, name in enumerate(classes, 1)}
    collected: dict[str, list[tuple[float, float, float]]] = {}
    for row in rows:
        video, segment = row["video_id"], row["segment"]
        unknown = [name for name in row["classes"] if name not in numbers]
        if segment is None or unknown:
            what = f"the class {unknown[0]!r} is unknown" if unknown else "an annotation of no part of it"
            raise DataError(f"{video}: {what}", hint=nearest(unknown[0], numbers) if unknown else "detection needs the times of actions")
        if video in infos:
            start, end = (time * infos[video].fps for time in segment)
            collected.setdefault(video, []).extend((start, end, numbers[name]) for name in row["classes"])
    left_out = Counter(str(video) for video, *_ in ambiguous if video in infos)
    return Annotations({video: np.array(rows, np.float64) for video, rows in collected.items()}, left_out)
