"""A window of frames as a network sees it: cut out of a video's array, cropped, mirrored, scaled, padded (spec 2.1, 2.3, 6.2).

Arrays are uint8 (T, H, W, C), rgb or flow (x, y), often mapped from a file: only the frames and the pixels that are wanted are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache.errors import DataError, one_of
from models.training.crops import At, Box, crop, flip

Array = npt.NDArray[np.uint8]
Clip = npt.NDArray[np.float32]

#: Pixels of a side: of the arrays, and of what a network sees of them.
SIDE, CROP = 112, 96
#: What follows a video that is shorter than a window, after scaling. As published (D10): black in training, grey in tests.
PADDING = {"black": -1.0, "grey": 0.0}
FLOW_FLIPS = ("plain", "negated")
#: The scaled value of every byte: [0, 255] to [-1, 1].
SCALED = np.arange(256, dtype=np.float32) / np.float32(255) * np.float32(2) - np.float32(1)


def resize(frames: Array, side: int = SIDE) -> Array:
    """(T, H, W, 3) to (T, side, side, 3) by Pillow's bicubic filter; the shape of the picture is not kept."""
    return np.stack([np.asarray(Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC)) for frame in frames])


def centre_box(height: int, width: int, side: int = CROP) -> Box:
    """The square in the middle; of two middles the even offset. Raises DataError for a smaller picture."""
    if side > min(height, width):
        raise DataError(f"frames of {width} x {height} pixels: a network sees {side} x {side} of them")
    return Box(round((height - side) / 2), round((width - side) / 2), side, side)


def training_view(at: At, height: int, width: int, side: int = CROP) -> tuple[Box, bool]:
    """A square anywhere, and whether it is mirrored, half of the time: a pure function of where the training is.

    Raises DataError for a smaller picture.
    """
    centre_box(height, width, side)
    return crop(at, (height, width), (side, side)), flip(at)


def mirrored(clip: Clip | Array) -> Clip | Array:
    """(..., W) with left and right exchanged."""
    return clip[..., ::-1]


def cropped(clip: Array, box: Box) -> Array:
    """(..., H, W) to (..., height, width) of the box."""
    return clip[..., box.top : box.top + box.height, box.left : box.left + box.width]


def window(
    array: Array, offset: int, length: int, box: Box, *, mirror: bool = False, padding: str = "black", flow_flip: str = "plain"
) -> Clip:
    """(T, H, W, C) uint8 to the scaled float32 (C, length, height, width) of a window.

    A video that is shorter than a window is padded behind its end. flow_flip: ``plain`` leaves mirrored flow the sign of its x, as
    published (R10); ``negated`` turns it. Raises DataError for a window that reaches over the end of a video that is long enough for one,
    since then its array is shorter than it should be, and ConfigError for another ``padding`` or ``flow_flip``.
    """
    one_of("padding", padding, PADDING)
    one_of("flow_flip", flow_flip, FLOW_FLIPS)
    if offset < 0 or (offset and offset + length > len(array)) or not len(array):
        raise DataError(f"a window of frames {offset} to {offset + length - 1} of a video of {len(array)} sampled frames")
    part = cropped(np.moveaxis(array[offset : offset + length], -1, 0), box)
    clip = np.full((part.shape[0], length, *part.shape[2:]), PADDING[padding], np.float32)
    np.take(SCALED, mirrored(part) if mirror else part, out=clip[:, : part.shape[1]], mode="clip")
    if mirror and flow_flip == "negated" and len(clip) == 2:
        clip[0, : part.shape[1]] *= -1
    return clip


def centre_windows(array: Array, offsets: Sequence[int], length: int, side: int = CROP, *, padding: str = "grey") -> Iterator[Clip]:
    """The middle of each window, one at a time: (C, length, side, side)."""
    box = centre_box(*array.shape[1:3], side)
    for offset in offsets:
        yield window(array, offset, length, box, padding=padding)
