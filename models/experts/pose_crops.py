"""From a person's box to the crop that a pose network sees, and from its heat maps back to places in the picture (AlphaPose).

A box is (x1, y1, x2, y2) in pixels. The crop is its box grown to the shape of the network's input and then by a quarter, scaled
evenly: x' = s (x - cx) + W/2, y' = s (y - cy) + H/2 with s = W / width of the crop's box. Everything is float32, as published.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

#: how much larger than the person a crop is
GROWN = 1.25
#: what is subtracted of red, green and blue, in the order in which the networks were trained; nothing is divided
MEAN = (0.406, 0.457, 0.480)


def centre_and_size(boxes: Floats, height: int = 256, width: int = 192, grown: float = GROWN) -> tuple[Floats, Floats]:
    """Middles (n, 2) and (width, height) (n, 2) of the crops of ``boxes`` (n, 4), for an input of ``height`` x ``width``."""
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    shape = np.float32(width / height)
    size = boxes[:, 2:] - boxes[:, :2]
    centre = boxes[:, :2] + size * np.float32(0.5)
    w, h = size[:, 0], size[:, 1]
    w, h = np.where(w > shape * h, w, h * shape), np.where(w > shape * h, w / shape, h)
    return centre, np.stack([w, h], 1) * np.float32(grown)


def crop_boxes(centre: Floats, size: Floats) -> Floats:
    """The boxes (x1, y1, x2, y2) of crops."""
    boxes: Floats = np.concatenate([centre - size * np.float32(0.5), centre + size * np.float32(0.5)], 1)
    return boxes


def affine(centre: Floats, size: Floats, height: int = 256, width: int = 192) -> npt.NDArray[np.float64]:
    """(n, 2, 3): picture pixels to pixels of a crop of ``height`` x ``width``."""
    scale = width / size[:, 0].astype(np.float64)
    out = np.zeros((len(scale), 2, 3))
    out[:, 0, 0] = out[:, 1, 1] = scale
    out[:, 0, 2] = width / 2 - scale * centre[:, 0]
    out[:, 1, 2] = height / 2 - scale * centre[:, 1]
    return out


def affine_back(centre: Floats, size: Floats, height: int = 64, width: int = 48) -> npt.NDArray[np.float64]:
    """(n, 2, 3): pixels of a heat map of ``height`` x ``width`` to picture pixels."""
    scale = size[:, 0].astype(np.float64) / width
    out = np.zeros((len(scale), 2, 3))
    out[:, 0, 0] = out[:, 1, 1] = scale
    out[:, 0, 2] = centre[:, 0] - scale * width / 2
    out[:, 1, 2] = centre[:, 1] - scale * height / 2
    return out


def crop(frame: Images, centre: Floats, size: Floats, height: int = 256, width: int = 192) -> Images:
    """The crop (height, width, 3) uint8 of a frame (H, W, 3): bilinear, black outside. ``centre`` and ``size`` are (2,).

    Rounded to the nearest level. OpenCV's own, of which versions 4 and 5 differ, is within two levels of it.
    """
    step = np.float64(size[0]) / width
    rows, row_parts = _taps(centre[1] - step * height / 2, step, height, frame.shape[0])
    columns, column_parts = _taps(centre[0] - step * width / 2, step, width, frame.shape[1])
    low, high = int(columns.min()), int(columns.max()) + 1
    strip = frame[:, low:high]
    tall = strip[rows[0]] * row_parts[0][:, None, None] + strip[rows[1]] * row_parts[1][:, None, None]
    columns = columns - low
    out = tall[:, columns[0]] * column_parts[0][None, :, None] + tall[:, columns[1]] * column_parts[1][None, :, None]
    return (out + np.float32(0.5)).astype(np.uint8)


def _taps(start: float, step: float, count: int, limit: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """For ``count`` places from ``start``, the two pixels beside each and their shares, 0 for those outside 0..limit-1: (2, count)."""
    places = start + step * np.arange(count)
    below = np.floor(places)
    part = places - below
    pixels = np.stack([below, below + 1])
    shares = np.where((pixels >= 0) & (pixels < limit), np.stack([1 - part, part]), 0.0)
    return np.clip(pixels, 0, limit - 1).astype(np.int64), shares.astype(np.float32)


def network_input(crops: Images) -> Floats:
    """uint8 crops (B, H, W, 3) -> float32 (B, 3, H, W), channels last in memory. Divided by 255 unless nothing in a crop exceeds 1."""
    values = crops.astype(np.float32)
    lit = crops.reshape(len(crops), -1).max(1) > 1
    values[lit] /= np.float32(255)
    values -= np.float32(MEAN)
    return np.moveaxis(values, -1, 1)


def joints_of(maps: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """Places (n, joints, 2) in the picture and scores (n, joints, 1) of heat maps (n, joints, h, w); ``boxes`` (n, 4) are the crops'.

    A joint is where its map is largest, moved by a quarter towards the higher neighbour unless it lies at the edge (as published:
    columns 0, 1 and the last, rows alike). The score is the maximum as it is. A joint whose map is nowhere positive is at (0, 0).
    """
    n, joints, height, width = maps.shape
    flat = maps.reshape(n, joints, -1)
    best = flat.argmax(2)
    scores = np.take_along_axis(flat, best[..., None], 2)
    column, row = best % width, best // width
    positive = scores[..., 0] > 0
    column, row = np.where(positive, column, 0), np.where(positive, row, 0)
    inner = (column > 1) & (column < width - 1) & (row > 1) & (row < height - 1)
    c, r = np.where(inner, column, 1), np.where(inner, row, 1)
    i, j = np.arange(n)[:, None], np.arange(joints)
    x = column + np.where(inner, 0.25 * np.sign(maps[i, j, r, c + 1] - maps[i, j, r, c - 1]), 0)
    y = row + np.where(inner, 0.25 * np.sign(maps[i, j, r + 1, c] - maps[i, j, r - 1, c]), 0)
    boxes = np.asarray(boxes, np.float32)
    size, centre = boxes[:, 2:] - boxes[:, :2], (boxes[:, 2:] + boxes[:, :2]) * np.float32(0.5)
    back = affine_back(centre, size, height, width)
    places = np.stack([x, y], -1) * back[:, None, [0, 1], [0, 1]] + back[:, None, :, 2]
    return places.astype(np.float32), scores.astype(np.float32)
