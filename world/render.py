"""From a plan to pictures: gather the parts, move the camera over them, draw with supersampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from world.figure import figure
from world.motion import Moving, move
from world.parts import Floats, Part
from world.plan import HEIGHT, INDOORS, RATE, WIDTH, Plan
from world.scenery import lively
from world.scenes import MARGIN_X, MARGIN_Y, SS, panorama
from world.things import around, held


@dataclass
class Shots:
    """Where the camera looks: world point at the picture's middle (T, 2) and magnification (T,)."""

    centre: Floats
    zoom: Floats

    def project(self, points: Floats) -> Floats:
        """World pixels (T, ..., 2) -> picture pixels."""
        extra = (1,) * (points.ndim - 2)
        centre = self.centre.reshape(-1, *extra, 2)
        return (points - centre) * self.zoom.reshape(-1, *extra, 1) + np.array([WIDTH / 2, HEIGHT / 2])

    def at(self, points: Floats, t: int) -> Floats:
        """World pixels (..., 2) -> picture pixels of frame ``t``."""
        return (points - self.centre[t]) * self.zoom[t] + np.array([WIDTH / 2, HEIGHT / 2])

    def world(self, points: Floats, t: int) -> Floats:
        """Picture pixels (..., 2) of frame ``t`` -> world pixels."""
        return (points - np.array([WIDTH / 2, HEIGHT / 2])) / self.zoom[t] + self.centre[t]


@dataclass
class Film:
    """Everything of one video that is known before a pixel is set. ``parts`` lie in world pixels, ``base`` is each actor's depth."""

    plan: Plan
    actors: list[Moving]
    parts: list[Part]
    shots: Shots


def camera(plan: Plan, actors: list[Moving]) -> Shots:
    """The camera's path; it never leaves the panorama."""
    n, cam = plan.frames, plan.camera
    t = np.linspace(0, 1, n)
    zoom = cam.zoom + (cam.zoom_end - cam.zoom) * t
    x = WIDTH / 2 + cam.dx * (t - 0.5)
    y = HEIGHT / 2 + cam.dy * (t - 0.5)
    if cam.move == "shake":
        s = np.arange(n) / RATE
        x = x + cam.shake * (np.sin(9.1 * s) + 0.6 * np.sin(23.7 * s + 1))
        y = y + cam.shake * 0.8 * (np.sin(11.3 * s + 2) + 0.5 * np.sin(19.9 * s))
    if cam.move == "follow":
        goal = actors[cam.target].x
        x = x + 0.45 * np.clip(np.convolve(np.pad(goal, 4, mode="edge"), np.ones(9) / 9, mode="valid") - WIDTH / 2, -60, 60)
    half_x, half_y = WIDTH / 2 / zoom, HEIGHT / 2 / zoom
    x = np.clip(x, half_x - MARGIN_X + 1, WIDTH + MARGIN_X - 1 - half_x)
    y = np.clip(y, half_y - MARGIN_Y + 1, HEIGHT + MARGIN_Y - 1 - half_y)
    return Shots(np.stack([x, y], -1), zoom)


def stage_film(plan: Plan) -> Film:
    """Set the scene: all parts of a plan, and the camera."""
    actors = [move(actor, plan.frames) for actor in plan.actors]
    parts = lively(plan.scene, plan.texture, plan.night, plan.frames)
    for i, moving in enumerate(actors):
        base = 10.0 * moving.actor.y
        parts += figure(moving, i, base)
        parts += held(moving, i, base)
    for thing in plan.things:
        parts += around(thing, plan.frames, 10.0 * thing.y)
    return Film(plan, actors, parts, camera(plan, actors))


def _light(plan: Plan) -> tuple[float, float, float]:
    if not plan.night:
        return 1.0, 1.0, 1.0
    return (0.78, 0.74, 0.7) if plan.scene in INDOORS else (0.66, 0.68, 0.8)


def _night_view(image: Image.Image, light: tuple[float, float, float]) -> Image.Image:
    """Darken by day's colours; lamps, stars and lit windows (bright and warm or white) stay."""
    table: list[int] = []
    for factor in light:
        value = np.arange(256)
        glow = np.clip((value - 200) / 40, 0, 1)
        table += [round(float(v)) for v in value * (factor + (1 - factor) * 0.75 * glow)]
    return image.point(table)


@lru_cache(maxsize=4)
def _backdrop(scene: str, texture: int, night: bool, light: tuple[float, float, float]) -> Image.Image:
    """The panorama in its light; shots of one place share it, and nobody draws on it."""
    pano = panorama(scene, texture, night)
    return _night_view(pano, light) if night else pano


def draw(film: Film, pictures: Iterable[int] | None = None) -> Iterator[npt.NDArray[np.uint8]]:
    """The pictures (HEIGHT, WIDTH, 3) uint8, in order: all of them, or those numbered."""
    plan, shots = film.plan, film.shots
    light = _light(plan)
    pano = _backdrop(plan.scene, plan.texture, plan.night, light)
    half = np.stack([WIDTH / 2 / shots.zoom, HEIGHT / 2 / shots.zoom], -1)
    low = (shots.centre - half + [MARGIN_X, MARGIN_Y]) * SS
    high = (shots.centre + half + [MARGIN_X, MARGIN_Y]) * SS
    points = [np.ascontiguousarray(shots.project(p.points) * SS, np.float32) for p in film.parts]
    inks = [(*(round(c * f) for c, f in zip(p.colour[:3], light)), p.colour[3]) for p in film.parts]
    order = np.argsort(np.stack([p.key for p in film.parts]), axis=0, kind="stable")
    visible = _visible(film.parts, points)
    for t in range(plan.frames) if pictures is None else pictures:
        image = pano.resize((WIDTH * SS, HEIGHT * SS), Image.Resampling.NEAREST, box=(*low[t], *high[t]))
        pen = ImageDraw.Draw(image, "RGBA")
        for i in order[:, t]:
            if visible[i, t]:
                pen.polygon(points[i][t], fill=inks[i])
        yield np.asarray(image.reduce(SS))


def _visible(parts: list[Part], points: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.bool_]:
    """(parts, T): shown, and at least partly inside the picture."""
    rows = []
    for part, xy in zip(parts, points):
        low, high = xy.min(1), xy.max(1)
        inside = (high[:, 0] > 0) & (high[:, 1] > 0) & (low[:, 0] < WIDTH * SS) & (low[:, 1] < HEIGHT * SS)
        rows.append(inside if part.shown is None else inside & part.shown)
    return np.stack(rows)
