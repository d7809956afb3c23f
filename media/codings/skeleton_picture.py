"""Pictures of skeletons, as AlphaPose draws them: joints as discs, limbs as lines ("fast") or as ellipses one sees through ("full").

A disc, a line or an ellipse is the set of pixels whose middle lies within it, give or take a few at the rim where OpenCV rounds otherwise.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

VARIANTS = ("fast", "full")
#: a joint is shown above this score, if nothing else is said
SHOWN = 0.4
#: the neck, joint 17, is the middle of the shoulders
SHOULDERS = (5, 6)
LIMBS = (
    *((0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
    *((17, 11), (17, 12), (11, 13), (12, 14), (13, 15), (14, 16)),
)
#: blue, green, red
JOINT_COLOURS = (
    *((0, 255, 255), (0, 191, 255), (0, 255, 102), (0, 77, 255), (0, 255, 0), (77, 255, 255), (77, 255, 204), (77, 204, 255)),
    *((191, 255, 77), (77, 191, 255), (191, 255, 77), (204, 77, 255), (77, 255, 204), (191, 77, 255), (77, 255, 191)),
    *((127, 77, 255), (77, 255, 127), (0, 255, 255)),
)
LIMB_COLOURS = (
    *((0, 215, 255), (0, 255, 204), (0, 134, 255), (0, 255, 50), (77, 255, 222), (77, 196, 255), (77, 135, 255)),
    *((191, 255, 77), (77, 255, 77), (77, 222, 255), (255, 156, 127), (0, 127, 255), (255, 127, 77), (0, 77, 255), (255, 77, 36)),
)
#: radius of a joint's disc
RADII = {"fast": 3, "full": 2}
#: farther outside the picture than this, a joint is nowhere
FARTHEST = 1e6


def draw(keypoints: Floats, height: int, width: int, variant: str = "fast", under: Images | None = None, least: float = SHOWN) -> Images:
    """RGB uint8 (height, width, 3): the people ``keypoints`` (P, 17, 3) of x, y, score, on black or over the picture ``under``.

    Joints are shown above the score ``least``. Nobody leaves the picture as it is. Raises ValueError for another variant, or a picture of
    another size.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {VARIANTS}, not {variant!r}")
    if under is not None and under.shape != (height, width, 3):
        raise ValueError(f"the picture is {under.shape}, not {(height, width, 3)}")
    picture = np.zeros((height, width, 3), np.uint8) if under is None else under.copy()
    for person in np.asarray(keypoints, np.float32).reshape(-1, 17, 3):
        neck = person[list(SHOULDERS)].mean(0, keepdims=True)
        _person(picture, np.concatenate([person, neck]), variant, least)
    return picture


def _person(picture: Images, joints: Floats, variant: str, least: float) -> None:
    shown = (joints[:, 2] > least) & (np.abs(joints[:, :2]) < FARTHEST).all(1)
    places = np.where(shown[:, None], joints[:, :2], 0).astype(int)  # towards zero, as published
    for joint in np.flatnonzero(shown):
        opacity = 1.0 if variant == "fast" else float(np.clip(joints[joint, 2], 0, 1))
        _disc(picture, places[joint], RADII[variant], JOINT_COLOURS[joint], opacity)
    for (a, b), colour in zip(LIMBS, LIMB_COLOURS):
        if not (shown[a] and shown[b]):
            continue
        both = float(joints[a, 2] + joints[b, 2])
        if variant == "fast":
            _line(picture, places[a], places[b], 2 * int(both) + 1, colour)
        else:
            _ellipse(picture, places[a], places[b], int(both + 1), colour, float(np.clip(0.5 * both - 0.1, 0, 1)))


Place = npt.NDArray[np.int_]


def _window(picture: Images, low: npt.NDArray[np.floating], high: npt.NDArray[np.floating]) -> tuple[Images, Floats, Floats]:
    """The part of the picture between two corners, and x and y of its pixels."""
    left, top = max(0, math.floor(low[0])), max(0, math.floor(low[1]))
    right, bottom = max(left, math.ceil(high[0]) + 1), max(top, math.ceil(high[1]) + 1)
    part = picture[top:bottom, left:right]
    y, x = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
    return part, x.astype(np.float32), y.astype(np.float32)


def _paint(part: Images, mask: Mask, colour: tuple[int, int, int], opacity: float) -> None:
    """Put a colour (blue, green, red) where ``mask`` is, over what is there."""
    ink = np.array(colour[::-1], np.uint8)
    part[mask] = ink if opacity == 1 else np.rint(part[mask] * np.float32(1 - opacity) + ink * np.float32(opacity)).astype(np.uint8)


def _disc(picture: Images, at: Place, radius: int, colour: tuple[int, int, int], opacity: float) -> None:
    part, x, y = _window(picture, at - radius, at + radius)
    _paint(part, np.square(x - at[0]) + np.square(y - at[1]) <= radius * radius, colour, opacity)


def _line(picture: Images, a: Place, b: Place, thickness: int, colour: tuple[int, int, int]) -> None:
    """A line with round ends: a rectangle that is a pixel wider than said, and a disc at each end; or a thin line."""
    ends = (thickness + 1) // 2 if thickness > 1 else 0
    along = (b - a).astype(float)
    length = math.hypot(*along)
    corners = np.array([a, b], float)
    if ends and length:
        aside = np.array([-along[1], along[0]]) * (ends / length)
        corners = np.stack([a + aside, a - aside, b - aside, b + aside])
    part, x, y = _window(picture, np.minimum(a, b) - ends - 1, np.maximum(a, b) + ends + 1)
    mask = _convex(corners - [x.flat[0], y.flat[0]], part.shape[:2]) if part.size else np.zeros(part.shape[:2], bool)
    for end in (a, b) if ends else ():
        mask |= np.square(x - end[0]) + np.square(y - end[1]) <= ends * ends
    _paint(part, mask, colour, 1.0)


def _ellipse(picture: Images, a: Place, b: Place, across: int, colour: tuple[int, int, int], opacity: float) -> None:
    """An ellipse from one joint to the other; its middle, axes, angle and corners (one a degree) are whole numbers, as published."""
    middle = ((a + b) / 2).astype(int)
    along = int(math.hypot(*(a - b)) / 2)
    angle = math.radians(int(math.degrees(math.atan2(a[1] - b[1], a[0] - b[0]))))
    turn = np.radians(np.arange(361))
    u, v = along * np.cos(turn), across * np.sin(turn)
    corners = np.rint(np.stack([u * math.cos(angle) - v * math.sin(angle), u * math.sin(angle) + v * math.cos(angle)], 1)) + middle
    reach = max(along, across) + 1
    part, x, y = _window(picture, middle - reach, middle + reach)
    if part.size:
        _paint(part, _convex(corners - [x.flat[0], y.flat[0]], part.shape[:2]), colour, opacity)


def _convex(corners: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """The pixels of a convex polygon, x and y of its corners (n, 2), as OpenCV fills it: row by row between its sides, whose ends count as
    lying on whole rows, and its sides as thin lines besides."""
    height, width = shape
    mask = np.zeros((height, width), bool)
    start, end = corners, np.roll(corners, -1, axis=0)
    low, high = np.full(height, np.inf), np.full(height, -np.inf)
    rows, x = _steps(np.floor(start[:, 1] + 0.5), np.floor(end[:, 1] + 0.5), start[:, 0], end[:, 0])
    inside = (rows >= 0) & (rows < height)
    np.minimum.at(low, rows[inside], x[inside])
    np.maximum.at(high, rows[inside], x[inside])
    columns = np.arange(width)
    mask |= (columns >= np.floor(low + 0.5)[:, None]) & (columns <= np.floor(high + 0.5)[:, None])
    flat = np.abs(end - start)
    for axis in (0, 1):
        sides = flat[:, axis] >= flat[:, 1 - axis] if axis == 0 else flat[:, 1] > flat[:, 0]
        s, e = start[sides], end[sides]
        turned = (s[:, axis] > e[:, axis])[:, None]
        s, e = np.where(turned, e, s), np.where(turned, s, e)
        first, last = np.floor(s[:, axis] + 0.5), np.floor(e[:, axis] + 0.5)
        slope = (e[:, 1 - axis] - s[:, 1 - axis]) / np.where(e[:, axis] == s[:, axis], 1, e[:, axis] - s[:, axis])
        major, minor = _steps(first, last, s[:, 1 - axis], s[:, 1 - axis] + slope * (last - first))
        place = (major, np.floor(minor + 0.5).astype(int))
        column, row = place if axis == 0 else place[::-1]
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        mask[row[inside], column[inside]] = True
    return mask


def _steps(first: Floats, last: Floats, start: Floats, end: Floats) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.float64]]:
    """For each side, every whole number from ``first`` to ``last``, with the value between ``start`` and ``end``; all sides in one row."""
    counts = np.abs(last - first).astype(int) + 1
    side = np.repeat(np.arange(len(counts)), counts)
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    share = step / np.maximum(counts - 1, 1)[side]
    numbers = (first[side] + step * np.sign(last - first)[side]).astype(int)
    return numbers, start[side] + share * (end - start)[side]
