"""A picture of any shape in a square, and boxes in the square back in the picture (YOLOv3's detector, as AlphaPose calls it)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

GREY = 128
#: the constant of the cubic kernel (OpenCV's)
CUBIC = -0.75


def letterbox(frame: Images, side: int = 608) -> Images:
    """A frame (H, W, 3), as large as fits, in the middle of a grey square (side, side, 3): cubic, as OpenCV resizes (no antialiasing)."""
    height, width = frame.shape[:2]
    scale = min(side / width, side / height)
    small_width, small_height = max(1, int(width * scale)), max(1, int(height * scale))
    out = np.full((side, side, 3), GREY, np.uint8)
    top, left = (side - small_height) // 2, (side - small_width) // 2
    out[top : top + small_height, left : left + small_width] = resize_cubic(frame, small_height, small_width)
    return out


def resize_cubic(frame: Images, height: int, width: int) -> Images:
    """Cubic convolution of four pixels each way, the edge repeated; to within a level what OpenCV's INTER_CUBIC gives."""
    rows = _matrix(frame.shape[0], height)
    columns = _matrix(frame.shape[1], width)
    tall = np.tensordot(rows, frame.astype(np.float32), (1, 0))
    out = np.tensordot(tall, columns, (1, 1)).transpose(0, 2, 1)
    return np.clip(out + 0.5, 0, 255).astype(np.uint8)


@lru_cache(maxsize=8)
def _matrix(inputs: int, outputs: int) -> Floats:
    """(outputs, inputs): what each pixel counts."""
    places = (np.arange(outputs) + 0.5) * (inputs / outputs) - 0.5
    below = np.floor(places).astype(int)
    part = places - below
    out = np.zeros((outputs, inputs), np.float32)
    for shift in (-1, 0, 1, 2):
        np.add.at(out, (np.arange(outputs), np.clip(below + shift, 0, inputs - 1)), _kernel(np.abs(part - shift)).astype(np.float32))
    return out


def _kernel(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    near = ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1
    far = ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def boxes_back(boxes: Floats, height: int, width: int, side: int = 608) -> Floats:
    """Boxes (n, 4) as x1, y1, x2, y2 in the square -> in the picture of ``height`` x ``width``, clipped to it."""
    scale = np.float32(min(side / width, side / height))
    shift = (np.float32(side) - scale * np.array([width, height], np.float32)) / 2
    back = (boxes - np.tile(shift, 2)) / scale
    clipped: Floats = np.clip(back, 0, np.array([width, height, width, height], np.float32)).astype(np.float32)
    return clipped
