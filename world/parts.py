"""What the renderer draws: coloured polygons with a place in depth, moving over the frames of a video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Colour = tuple[int, int, int, int]

#: points of each rounded end of a capsule
ARC = 7


@dataclass
class Part:
    """A polygon over time. ``points``: (T, K, 2) world pixels; ``key``: (T,) greater = nearer to the viewer.

    ``owner`` is the index of the actor it belongs to (-1: scenery, -2: a thing); ``label`` says what it is.
    ``shown``: (T,) booleans, or None for always.
    """

    points: Floats
    colour: Colour
    key: Floats
    owner: int = -1
    label: str = ""
    shown: npt.NDArray[np.bool_] | None = None


def capsule(a: Floats, b: Floats, ra: Floats | float, rb: Floats | float) -> Floats:
    """Polygon of a limb with round ends: (T, 2) end points and radii ((T,) or numbers) -> (T, 2 * ARC, 2)."""
    axis = b - a
    angle = np.arctan2(axis[:, 1], axis[:, 0])
    arc = np.linspace(-np.pi / 2, np.pi / 2, ARC)
    at_b = angle[:, None] + arc
    at_a = at_b + np.pi
    ra, rb = np.reshape(ra, (-1, 1)), np.reshape(rb, (-1, 1))
    end_b = b[:, None] + np.stack([rb * np.cos(at_b), rb * np.sin(at_b)], -1)
    end_a = a[:, None] + np.stack([ra * np.cos(at_a), ra * np.sin(at_a)], -1)
    return np.concatenate([end_b, end_a], 1)


def ellipse(centre: Floats, rx: Floats | float, ry: Floats | float, points: int = 16) -> Floats:
    """Polygon of an upright ellipse around (T, 2) centres -> (T, points, 2)."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    across, down = np.broadcast_arrays(np.reshape(rx, (-1, 1)) * np.cos(t), np.reshape(ry, (-1, 1)) * np.sin(t))
    ring = np.stack([across, down], -1)
    return centre[:, None] + ring


def place(shape: Floats, origin: Floats, angle: Floats | float = 0.0, scale: Floats | float = 1.0, mirror: Floats | float = 1.0) -> Floats:
    """A fixed shape (K, 2) turned by ``angle`` (radians, clockwise on screen), scaled and moved to (T, 2) -> (T, K, 2)."""
    n = len(origin)
    c, s = np.cos(np.broadcast_to(angle, n))[:, None], np.sin(np.broadcast_to(angle, n))[:, None]
    k = np.broadcast_to(scale, n)[:, None]
    x, y = shape[:, 0] * np.broadcast_to(mirror, n)[:, None], shape[:, 1]
    return origin[:, None] + np.stack([k * (c * x - s * y), k * (s * x + c * y)], -1)


def shade(colour: tuple[int, int, int] | Colour, factor: float) -> Colour:
    """Darker (< 1) or lighter (> 1) by a factor; keeps alpha."""
    r, g, b = (round(min(255.0, c * factor)) if factor <= 1 else round(255 - (255 - c) * (2 - factor)) for c in colour[:3])
    return (max(0, r), max(0, g), max(0, b), colour[3] if len(colour) > 3 else 255)
