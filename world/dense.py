"""Dense truth of a frame: which surface every pixel shows, how it moves to the next frame, how far away it is.

Exact: the order of surfaces (the polygons of the drawing, without antialiasing), the movement of the background by the camera,
and of everything that only turns, shifts or scales. Approximate: a limb that is foreshortened moves by the best affine map
between its two outlines (about a tenth of a pixel); water, shadows, light and steam have no flow of their own; the depth of
the background is a ground plane that ends in a wall at the scene's horizon.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from world.body import BUILDS
from world.plan import HEIGHT, INDOORS, WIDTH
from world.render import Film
from world.scenes import HORIZON, SS

Floats = npt.NDArray[np.floating]
#: surfaces with less alpha are light, shadow, steam: one looks through them
OPAQUE = 200
#: focal length in pixels at magnification 1, and metres of a man's height
FOCAL, TALL = 160.0, 1.75
WALL_INDOORS, WALL_OUTDOORS = 6.0, 60.0


def surfaces(film: Film, times: Iterable[int], samples: int = SS) -> Iterator[npt.NDArray[np.int32]]:
    """For each frame number (HEIGHT, WIDTH): 1 + index into ``film.parts`` of the topmost opaque part, 0 for the background.

    ``samples`` is the supersampling: ``SS`` takes the middle samples of the drawing itself, 1 is faster.
    """
    solid = [i for i, p in enumerate(film.parts) if p.colour[3] >= OPAQUE]
    points = [np.ascontiguousarray(film.shots.project(film.parts[i].points) * samples, np.float32) for i in solid]
    order = (
        np.argsort(np.stack([film.parts[i].key for i in solid]), axis=0, kind="stable") if solid else np.zeros((0, film.plan.frames), int)
    )
    middle = samples // 2
    for t in times:
        image = Image.new("I", (WIDTH * samples, HEIGHT * samples))
        pen = ImageDraw.Draw(image)
        for k in order[:, t]:
            shown = film.parts[solid[k]].shown
            if shown is None or shown[t]:
                pen.polygon(points[k][t], fill=solid[k] + 1)
        yield np.asarray(image)[middle::samples, middle::samples]


def surface(film: Film, t: int) -> npt.NDArray[np.int32]:
    """The surfaces of frame ``t``, see :func:`surfaces`."""
    return next(surfaces(film, [t]))


def segmentation(film: Film, t: int) -> npt.NDArray[np.int8]:
    """(HEIGHT, WIDTH): index of the actor (with what they hold), -1 background and scenery, -2 things and animals."""
    owner = np.array([-1, *(p.owner for p in film.parts)], np.int8)
    return owner[surface(film, t)]


def _grid() -> Floats:
    x, y = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    return np.stack([x, y], -1)


def flow(film: Film, t: int, step: int = 1) -> npt.NDArray[np.float32]:
    """Optical flow (HEIGHT, WIDTH, 2) in pixels (right, down) from frame ``t`` to ``t + step``; zeros if there is no such frame."""
    then = t + step
    if then >= film.plan.frames:
        return np.zeros((HEIGHT, WIDTH, 2), np.float32)
    grid = _grid()
    out = film.shots.at(film.shots.world(grid, t), then) - grid
    top = surface(film, t)
    for number in np.unique(top):
        if number == 0:
            continue
        points = film.parts[number - 1].points
        before, after = film.shots.at(points[t], t), film.shots.at(points[then], then)
        design = np.concatenate([before, np.ones((len(before), 1))], 1)
        affine = np.linalg.lstsq(design, after, rcond=None)[0]
        here = top == number
        out[here] = np.concatenate([grid[here], np.ones((int(here.sum()), 1))], 1) @ affine - grid[here]
    return out.astype(np.float32)


def depth(film: Film, t: int) -> npt.NDArray[np.float32]:
    """Distance from the camera in metres (HEIGHT, WIDTH). A person's comes from their size, a limb's from its joint."""
    plan = film.plan
    wall = WALL_INDOORS if plan.scene in INDOORS else WALL_OUTDOORS
    y = film.shots.world(_grid(), t)[..., 1]
    standing = [(a.y, a.height) for a in plan.actors]
    near_y, near_height = standing[-1]
    near = FOCAL * TALL / near_height
    slope = (1 / near - 1 / wall) / (near_y - HORIZON[plan.scene])
    out = 1 / np.clip(1 / wall + slope * (y - HORIZON[plan.scene]), 1 / wall, 1.0)
    top = surface(film, t)
    for number in np.unique(top):
        if number == 0:
            continue
        part = film.parts[number - 1]
        if part.owner >= 0:
            actor = plan.actors[part.owner]
            offset = (part.key[t] - 10.0 * actor.y) * TALL * BUILDS[actor.kind].height
            out[top == number] = FOCAL * TALL / actor.height - offset
        elif part.owner == -2:
            feet = round(float(part.key[t]) / 10.0, 1)
            out[top == number] = 1 / np.clip(1 / wall + slope * (feet - HORIZON[plan.scene]), 1 / wall, 1.0)
    return out.astype(np.float32)
