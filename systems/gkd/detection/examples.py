"""What a training sees of a window: its clip from a random view, its targets, and a contrastive clip (spec 2.3, 2.4).

An example is a pure function of the window and of where the training is, so a training that was killed goes on with the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.training.crops import At, picks
from systems.gkd.detection.contrastive_clip import contrastive
from systems.gkd.detection.iteration import Sample
from systems.gkd.detection.transforms import CROP, Array, Clip, training_view, window
from systems.gkd.detection.windows import LENGTH, Window, boundary_maps, targets

Floats = npt.NDArray[np.float32]


class Example(NamedTuple):
    """One window: the scaled clip (C, T, S, S), targets (n, 3), boundary maps (2, T).

    order: which frame of the clip stands at each place of the contrastive clip (T,), and ``segments`` (3, 2) its three segments in frames;
    None, if no frames could be moved.
    """

    clip: Clip
    targets: Floats
    boundaries: Floats
    order: npt.NDArray[np.int64] | None
    segments: Floats | None


def example(
    array: Array,
    place: Window,
    piece: int,
    at: At,
    *,
    length: int = LENGTH,
    side: int = CROP,
    padding: str = "black",
    flow_flip: str = "plain",
) -> Example:
    """The window ``place`` of a video's array (T, H, W, C), as seen at ``at``.

    piece: frames that are moved in the contrastive clip, the video's shortest instance. padding, flow_flip: see
    :func:`systems.gkd.detection.transforms.window`.
    """
    box, mirror = training_view(at, *array.shape[1:3], side)
    clip = window(array, place.offset, length, box, mirror=mirror, padding=padding, flow_flip=flow_flip)
    moved = contrastive(place.rows[:, :2], piece, length, picks(at))
    order, segments = (moved.frames, moved.segments) if moved.found else (None, None)
    return Example(clip, targets(place.rows, length), boundary_maps(place.rows, length), order, segments)


def batch(examples: Sequence[Example], *, contrasted: str = "every") -> Sample:
    """Examples as tensors; the contrastive clips are those of the examples that have one, or of the ``first`` example only (quirk D13)."""
    seen = examples[:1] if contrasted == "first" else examples
    moved = [(one.clip[:, one.order], one.segments) for one in seen if one.order is not None]
    return Sample(
        torch.from_numpy(np.stack([one.clip for one in examples])),
        [torch.from_numpy(one.targets) for one in examples],
        torch.from_numpy(np.stack([one.boundaries for one in examples])),
        torch.from_numpy(np.stack([clip for clip, _ in moved])) if moved else None,
        torch.from_numpy(np.stack([segments for _, segments in moved])) if moved else None,
    )
