"""Parts of videos that have a class, as columns: what a ground truth says, or what a network finds, with scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Instances:
    """n parts: the video and the label of each, ``segments`` float64 (n, 2), start and end in seconds, ``scores`` float64 (n,).

    A ground truth has no scores: (0,).
    """

    videos: Sequence[str]
    labels: Sequence[str]
    segments: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.videos)


def instances(rows: Sequence[tuple[str, str, float, float]], scores: Sequence[float] = ()) -> Instances:
    """Columns of (video, label, start, end) rows, and of their scores."""
    segments = np.array([(start, end) for _, _, start, end in rows], np.float64).reshape(-1, 2)
    return Instances([row[0] for row in rows], [row[1] for row in rows], segments, np.array(scores, np.float64))
