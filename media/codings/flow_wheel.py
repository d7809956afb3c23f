"""``wheel``: flow as a picture in the colours of Middlebury's wheel: the hue is the direction, white is no motion.

The longest vector of each picture has the full colour: there is no fixed scale, so pictures of one video cannot be compared in length.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from media.codings.derived import Derived, Floats, Image
from media.codings.pictures import PictureCoder, decode_pictures

#: the six ramps of the wheel: rows, the channel that moves, whether it rises; the other two stand at 255 and 0
RAMPS = ((15, 1, True), (6, 0, False), (4, 2, True), (11, 1, False), (13, 0, True), (6, 2, False))
#: pixels that are painted at a time, so that they stay in a processor's cache
BLOCK = 16384
#: larger components mean "unknown": black
UNKNOWN = 1e7
EPSILON = np.finfo(np.float64).eps


@cache
def wheel() -> npt.NDArray[np.float32]:
    """The table of colours: (55, 3) RGB 0..255."""
    rows = []
    colour = np.array([255.0, 0.0, 0.0], np.float32)
    for count, channel, rises in RAMPS:
        ramp = np.tile(colour, (count, 1))
        steps = np.floor(255 * np.arange(count) / count)
        ramp[:, channel] = steps if rises else 255 - steps
        colour[channel] = 255 if rises else 0
        rows.append(ramp)
    return np.concatenate(rows)


def colours(flow: npt.NDArray[np.floating], zero: str = "white") -> Image:
    """The picture of ``flow`` (H, W, 2): RGB uint8 (H, W, 3).

    ``zero``: what a field without any motion is: ``"white"``, as no motion is everywhere else, or ``"black"``, as the original
    divides 0 by 0. Components that are no numbers, or larger than :data:`UNKNOWN`, are black.
    """
    x, y = (np.array(flow[..., k], np.float32) for k in (0, 1))
    unknown = ~((np.abs(x) <= UNKNOWN) & (np.abs(y) <= UNKNOWN))
    if unknown.any():
        x[unknown] = y[unknown] = 0
    longest = np.sqrt(x**2 + y**2).max(initial=0)
    if longest > 0:
        picture = _painted(x / longest, y / longest)
    else:
        picture = np.full((*flow.shape[:2], 3), 255 if zero == "white" else 0, np.uint8)
    picture[unknown] = 0
    return picture


def _painted(x: Floats, y: Floats) -> Image:
    """Colours (H, W, 3) of vectors, of which the longest has length 1."""
    picture = np.empty((*x.shape, 3), np.uint8)
    rows = max(1, BLOCK // x.shape[1])
    for top in range(0, len(x), rows):
        part = slice(top, top + rows)
        _paint(picture[part], x[part] + EPSILON, y[part] + EPSILON)
    return picture


def _paint(picture: Image, u: npt.NDArray[np.float64], v: npt.NDArray[np.float64]) -> None:
    """Fill ``picture`` (H, W, 3) with the colours of ``u`` and ``v`` (H, W)."""
    radius = np.sqrt(u**2 + v**2)
    beyond = radius > 1  # the longest ones, by rounding
    place = (np.arctan2(-v, -u) / np.pi + 1) / 2 * 54 + 1  # rows are counted from 1
    row = place.astype(np.intp)
    share = place - row
    rest, row = 1 - share, row - 1
    for channel, ramp in enumerate((wheel() / 255).T):
        colour = rest * ramp.take(row) + share * np.roll(ramp, -1).take(row)
        value = 1 - radius * (1 - colour)
        value[beyond] = colour[beyond] * 0.75
        picture[..., channel] = 255 * value


def coder(options: Mapping[str, Any]) -> PictureCoder:
    """Options: ``zero``, ``codec``, ``quality``."""

    def draw(flow: Any, frame: Image | None) -> Image:
        return colours(np.asarray(flow), options["zero"])

    return PictureCoder(draw, options["codec"], options["quality"])


def decode(options: Mapping[str, Any], payload: bytes) -> Derived:
    """Products are the pictures, RGB uint8: lengths in pixels are lost."""
    return decode_pictures(payload)
