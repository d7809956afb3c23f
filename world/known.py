"""Where optical flow is known: pixels that show one surface in a frame and in the next, with nothing drawn over it that one looks through.

:func:`world.dense.flow` is the movement of surfaces. Light, shadow, steam, foam and a rolling bush are drawn over them with little alpha,
move in their own way and have no flow there; and what leaves the picture or is covered in the next frame cannot be seen to move.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from world.dense import OPAQUE, flow
from world.plan import HEIGHT, WIDTH
from world.render import Film
from world.scenes import SS

#: what :func:`unknown` says: known; leaves the picture; is covered, or not shown, in the next frame; something is drawn over it
KNOWN, LEAVES, COVERED, VEILED = range(4)


def unknown(film: Film, t: int) -> npt.NDArray[np.uint8]:
    """(HEIGHT, WIDTH): why the flow of frame ``t`` to ``t + 1`` is not known (the first reason that holds), ``KNOWN`` where it is.

    A pixel is that of the middle sample of the drawing; it is veiled if any sample of it is, in either frame. ``t + 1`` has to exist.
    """
    shown, veiled = _drawn(film, t)
    shown_next, veiled_next = _drawn(film, t + 1)
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    target = flow(film, t) + np.stack([x, y], -1)
    leaves = ((target < 0) | (target >= [WIDTH, HEIGHT])).any(-1)
    column, row = np.moveaxis(np.clip(target, 0, [WIDTH - 0.01, HEIGHT - 0.01]), -1, 0)
    middle = shown[SS // 2 :: SS, SS // 2 :: SS]
    covered = shown_next[(row * SS).astype(int), (column * SS).astype(int)] != middle
    hazy = veiled | veiled_next[row.astype(int), column.astype(int)]
    return np.select([leaves, covered, hazy], [LEAVES, COVERED, VEILED], KNOWN).astype(np.uint8)


def known(film: Film, t: int) -> npt.NDArray[np.bool_]:
    """(HEIGHT, WIDTH): the flow of frame ``t`` to ``t + 1`` is known."""
    return unknown(film, t) == KNOWN


def _drawn(film: Film, t: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """1 + index of the topmost opaque part of each sample (HEIGHT * SS, WIDTH * SS), and which pixels have a veil over it."""
    size = (WIDTH * SS, HEIGHT * SS)
    surface, veil = Image.new("I", size), Image.new("L", size)
    on_surface, on_veil = ImageDraw.Draw(surface), ImageDraw.Draw(veil)
    for index in np.argsort([part.key[t] for part in film.parts], kind="stable"):
        part = film.parts[index]
        if part.shown is not None and not part.shown[t]:
            continue
        outline = np.ascontiguousarray(film.shots.at(part.points[t], t) * SS, np.float32)
        opaque = part.colour[3] >= OPAQUE
        if opaque:
            on_surface.polygon(outline, fill=int(index) + 1)
        on_veil.polygon(outline, fill=0 if opaque else 1)
    return np.asarray(surface), np.asarray(veil).reshape(HEIGHT, SS, WIDTH, SS).any((1, 3))
