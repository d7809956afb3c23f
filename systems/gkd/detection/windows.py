"""Windows of a video: those that a network trains on, with their instances, and those that it is tested on (spec 2.3, 6.2).

Times here are in *sampled frames*, 10 a second, or in frames of a window. An instance is a row (start, end, class), float64, with
classes from 1; 0 is background.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from systems.gkd.detection.tables import VideoInfo

Rows = npt.NDArray[np.float64]

#: Frames of a window.
LENGTH = 256
#: Frames from one window to the next.
TRAINING_STRIDE, TEST_STRIDE = 30, 128
#: Share of an instance that has to lie in a window to belong to it.
ATTACHED = 0.5
#: A boundary is this share of its instance wide, and at least so many frames.
BOUNDARY, NARROWEST = 0.1, 2.0


def offsets(count: int, stride: int, length: int = LENGTH) -> list[int]:
    """Where the windows of a video of ``count`` frames begin: 0, stride, ..., and the last place where one fits.

    A video that is no longer than one window has the window at 0. Raises DataError for a video without frames.
    """
    if count < 1:
        raise DataError(f"a video of {count} sampled frames has no window")
    if count <= length:
        return [0]
    found = list(range(0, count - length + 1, stride))
    return found if found[-1] == count - length else [*found, count - length]


def sampled_rows(rows: Rows, info: VideoInfo) -> Rows:
    """(n, 3) rows whose times are frames of the video, in sampled frames: float, not rounded."""
    return rows * np.array([info.sample_count / info.count] * 2 + [1.0])


@dataclass(frozen=True)
class Window:
    """A training window: the video, its first sampled frame, and (n, 3) instances in frames of the window, from 1 to its length."""

    video: str
    offset: int
    rows: Rows


def video_windows(video: str, rows: Rows, count: int, *, length: int = LENGTH, stride: int = TRAINING_STRIDE) -> tuple[list[Window], int]:
    """The training windows of a video with (n, 3) instances in sampled frames, and the length of its shortest instance, rounded up.

    An instance belongs to a window if half of it is in there, and is cut to it. A window is kept if some instance lies in it as a
    whole; a window begins at frame 1, so an instance that begins before does not. The shortest length also counts cut instances, those
    of windows that are not kept, and has at most ``length`` frames; the contrastive clip takes it as the length of what it moves.

    Raises DataError for an instance that does not end after it begins.
    """
    if not len(rows):
        return [], length
    lasts = rows[:, 1] - rows[:, 0]
    if not (lasts > 0).all():
        raise DataError(f"{video}: instance {int(np.argmin(lasts > 0))} does not end after it begins, in sampled frames")
    shortest = [float(length), *(lasts if count <= length else ())]
    windows = []
    for offset in offsets(count, stride, length):
        inside = np.minimum(rows[:, 1], offset + length) - np.maximum(rows[:, 0], offset + 1)
        share = inside / lasts
        mine = rows[share >= ATTACHED]
        cut = np.column_stack([np.maximum(mine[:, 0] - offset, 1), np.minimum(mine[:, 1] - offset, length), mine[:, 2]])
        shortest.extend(cut[:, 1] - cut[:, 0])
        if (share >= 1).any():
            windows.append(Window(video, offset, cut))
    return windows, math.ceil(min(shortest))


@dataclass
class TrainingWindows:
    """All windows, video by video; ``shortest``: video -> sampled frames of its shortest instance; ``notes``: video -> what is odd."""

    windows: list[Window] = field(default_factory=list)
    shortest: dict[str, int] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def training_windows(
    infos: Mapping[str, VideoInfo],
    rows: Mapping[str, Rows],
    *,
    available: Mapping[str, int] | None = None,
    length: int = LENGTH,
    stride: int = TRAINING_STRIDE,
) -> TrainingWindows:
    """The windows of all videos that have counts (``infos``); ``rows``: video -> (n, 3) instances in frames of the video.

    available: video -> frames that its arrays really have, where these are not ``sample_count``.

    ``notes`` says which videos give no window and why, which instances end after their video, and which videos have no counts.
    """
    found = TrainingWindows()
    for video, info in infos.items():
        mine = sampled_rows(rows.get(video, np.empty((0, 3))), info)
        count = (available or {}).get(video, info.sample_count)
        windows, found.shortest[video] = video_windows(video, mine, count, length=length, stride=stride)
        found.windows += windows
        late = int((mine[:, 1] > count).sum())
        said = [f"{late} of its instances end after its {count} sampled frames"] if late else []
        if not len(mine):
            said.append("it has no instance, so it is not trained on")
        elif not windows:
            said.append(f"none of its instances lies in one of its windows of {length} frames as a whole, so it is not trained on")
        if said:
            found.notes[video] = "; ".join(said)
    found.notes |= {
        video: "it has instances, but the table of videos lacks it: it is not trained on" for video in rows if video not in infos
    }
    return found


def boundary_maps(rows: Rows | Sequence[Sequence[float]], length: int = LENGTH) -> npt.NDArray[np.float32]:
    """(2, length): 1 where an instance begins, and where one ends, 0 elsewhere. Times in frames of the window, half rounded to even."""
    maps = np.zeros((2, length), np.float32)
    for start, end, *_ in rows:
        half = max((end - start) * BOUNDARY, NARROWEST) / 2
        for row, time in zip(maps, (start, end)):
            first, last = (min(max(round(float(place)), 0), length - 1) for place in (time - half, time + half))
            row[first : last + 1] = 1
    return maps


def targets(rows: Rows, length: int = LENGTH) -> npt.NDArray[np.float32]:
    """(n, 3): start and end as shares of the window, and the class."""
    return (rows / np.array([length, length, 1.0])).astype(np.float32)
