"""Which part of an item a training sees: where it is cropped, whether it is mirrored, where its window begins.

Pure functions of seed, epoch and item (:class:`At`): they do not depend on how many processes load the items, in which order, or where an
earlier run was killed. The numbers are the raw stream of Philox-4x64 (Salmon et al., SC 2011), whose bits numpy guarantees. Its key is
(seed, epoch), and the item has a word of the counter to itself: in the lowest word, where the generator counts, neighbours would share
their numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

#: What numbers are drawn for, another word of the counter: a crop tells nothing about a flip.
OFFSET, CROP, RESIZED, FLIP, SCALE, PLACE, PICKS, UNIFORM, NORMAL = range(9)
#: How often a box of random shape is drawn before the one in the middle is taken.
TRIES = 10


class At(NamedTuple):
    """Where a training is. ``view`` tells several views of one item apart. All are from 0 to 2^64 - 1."""

    seed: int
    epoch: int
    index: int
    view: int = 0


class Box(NamedTuple):
    """A part of a picture, in pixels."""

    top: int
    left: int
    height: int
    width: int


Size = tuple[int, int]
#: Chooses one of that many equally likely things: 0..count-1.
Pick = Callable[[int], int]
#: Draws a number between two bounds, as ``random.uniform`` does.
Uniform = Callable[[float, float], float]


def offset(at: At, room: int) -> int:
    """Where a window begins, 0..room: frames or samples that are left over. Raises ValueError if ``room`` is negative."""
    if room < 0:
        raise ValueError(f"a window that is {-room} longer than what it is taken from")
    return _below(_uniform(at, OFFSET, 1)[0], room + 1)


def crop(at: At, size: Size, window: Size) -> Box:
    """A window (height, width) anywhere in a picture of ``size``. Raises ValueError if it does not fit."""
    if window[0] > size[0] or window[1] > size[1]:
        raise ValueError(f"a window of {window} does not fit into a picture of {size} (height, width)")
    down, right = _uniform(at, CROP, 2)
    return Box(_below(down, size[0] - window[0] + 1), _below(right, size[1] - window[1] + 1), *window)


def resized_crop(at: At, size: Size, area: tuple[float, float] = (0.08, 1.0), ratio: tuple[float, float] = (3 / 4, 4 / 3)) -> Box:
    """A box of random area and shape, to be resized (Szegedy et al., CVPR 2015).

    Its share of the picture's area is uniform in ``area``, the logarithm of width / height uniform in that of ``ratio``. If ten of them do
    not fit, it is the largest one in the middle whose shape is in ``ratio``.
    """
    height, width = size
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for share, shape, down, right in _uniform(at, RESIZED, 4 * TRIES).reshape(TRIES, 4):
        pixels = height * width * (area[0] + share * (area[1] - area[0]))
        aspect = math.exp(low + shape * (high - low))
        h, w = round(math.sqrt(pixels / aspect)), round(math.sqrt(pixels * aspect))
        if 0 < h <= height and 0 < w <= width:
            return Box(_below(down, height - h + 1), _below(right, width - w + 1), h, w)
    h = min(height, max(1, round(width / ratio[0])))
    w = min(width, max(1, round(height * ratio[1])))
    return Box((height - h) // 2, (width - w) // 2, h, w)


def flip(at: At, chance: float = 0.5) -> bool:
    """Whether left and right change places."""
    return bool(_uniform(at, FLIP, 1)[0] < chance)


def choice(at: At, use: int, count: int) -> int:
    """One of ``count`` equally likely things, such as a :data:`SCALE` of a list, or a :data:`PLACE`: 0..count-1."""
    return _below(_uniform(at, use, 1)[0], count)


def picks(at: At) -> Pick:
    """Choices that follow one another, each of which may depend on those before: every call draws anew."""
    bits = _stream(at, PICKS)
    return lambda count: _below(_numbers(bits, 1)[0], count)


def uniforms(at: At) -> Uniform:
    """Numbers that follow one another, each anywhere between its two bounds: every call draws anew."""
    bits = _stream(at, UNIFORM)
    return lambda low, high: low + float(_numbers(bits, 1)[0]) * (high - low)


def normals(at: At, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Noise of mean 0 and variance 1."""
    return np.random.Generator(_stream(at, NORMAL)).standard_normal(shape, np.float32)


def _uniform(at: At, use: int, count: int) -> npt.NDArray[np.float64]:
    return _numbers(_stream(at, use), count)


def _stream(at: At, use: int) -> np.random.Philox:
    return np.random.Philox(key=np.array(at[:2], np.uint64), counter=np.array([0, use, at.view, at.index], np.uint64))


def _numbers(bits: np.random.Philox, count: int) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1), 53 bits each."""
    return (bits.random_raw(count) >> np.uint64(11)) * 2.0**-53


def _below(uniform: float, count: int) -> int:
    return min(int(uniform * count), count - 1)
