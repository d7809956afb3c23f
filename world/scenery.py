"""What moves by itself in front of a place: cars, birds, waves, snow, light beams, steam, tumbleweed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from world.parts import Colour, Floats, Part, capsule, ellipse
from world.plan import RATE


def lively(scene: str, texture: int, night: bool, frames: int) -> list[Part]:
    """What moves by itself in the place: cars, birds, waves, snow, light beams, steam, tumbleweed."""
    rng = np.random.default_rng([texture, 1])
    t = np.arange(frames) / RATE
    parts: list[Part] = []

    def add(points: Floats, colour: Colour, key: float) -> None:
        parts.append(Part(points, colour, np.full(frames, key), -1, "scenery"))

    def at(x: Floats | float, y: Floats | float) -> Floats:
        return np.stack([np.broadcast_to(x, t.shape), np.broadcast_to(y, t.shape)], -1).astype(float)

    if scene == "street":
        _cars(rng, t, add, at)
    if scene in ("park", "beach", "desert") and not night:
        for i in range(int(rng.integers(1, 4))):
            x = rng.uniform(-20, 140) + rng.uniform(12, 30) * t
            y = rng.uniform(6, 34) + 2 * np.sin(3 * t + i)
            flap = 2.6 * np.sin(2 * np.pi * 2.4 * t + i)
            for side in (-1, 1):
                add(capsule(at(x, y), at(x + 4.2 * side, y - 1 - flap), 0.7, 0.4), (40, 42, 50, 255), 1.0 + i)
    if scene == "beach":
        for i in range(4):
            y = 64 + 5.4 * i + 1.4 * np.sin(1.4 * t + i)
            for x0 in np.arange(-60, 220, 44):
                x = x0 + 11 * i + 7 * np.sin(0.9 * t + 2 * i)
                add(capsule(at(x, y), at(x + 16 + 5 * i, y + 0.4), 0.5 + 0.16 * i, 0.5), (244, 250, 252, 180), 2.0 + i)
    if scene == "mountain":
        for _ in range(52):
            x0, y0, speed, r = rng.uniform(-40, 200), rng.uniform(-10, 140), rng.uniform(14, 30), rng.uniform(0.6, 1.2)
            y = (y0 + speed * t) % 150 - 12
            add(ellipse(at(x0 + 6 * np.sin(t + x0) - 5 * t, y), r, r, 6), (252, 253, 255, 225), 1500.0 if r > 0.85 else 5.0)
    if scene == "stage":
        for i in range(3):
            foot = 80 + 58 * np.sin(0.8 * t * (1 + 0.3 * i) + 2.1 * i)
            tint = [(255, 240, 170), (150, 200, 255), (255, 150, 220)][i]
            beam = np.stack([at(20 + 60 * i, -12), at(foot + 17, 98), at(foot - 17, 98)], 1)
            add(beam, (*tint, 46), 3.0 + i)
            add(ellipse(at(foot, 100), 19, 5, 18), (*tint, 70), 2.0)
    if scene == "kitchen":
        for i in range(6):
            rise = (0.35 * t + i / 6) % 1
            add(ellipse(at(40 + 3 * np.sin(4 * rise + i), 46 - 26 * rise), 2 + 3 * rise, 1.6 + 2 * rise, 10), (250, 250, 250, 64), 2.0 + i)
    if scene == "bedroom":
        for i in range(3):
            angle = 2.6 * t + i * 2 * np.pi / 3
            add(capsule(at(40, -2), at(40 + 20 * np.cos(angle), -2 + 5 * np.sin(angle)), 1.0, 2.2), (120, 90, 60, 255), 2.0 + i)
    if scene == "desert":
        x = (rng.uniform(-30, 60) + 34 * t * rng.choice([-1, 1])) % 220 - 30
        y = 86 - 5 * np.abs(np.sin(4 * t))
        for i in range(4):
            add(ellipse(at(x + 2 * np.cos(5 * t + 1.6 * i), y + 2 * np.sin(5 * t + 1.6 * i)), 3.4, 3.4, 10), (150, 116, 62, 170), 4.0 + i)
    return parts


def _cars(rng: np.random.Generator, t: Floats, add: Callable[[Floats, Colour, float], None], at: Callable[..., Floats]) -> None:
    paints: list[Colour] = [(196, 46, 44, 255), (50, 84, 176, 255), (226, 222, 214, 255), (60, 62, 68, 255), (214, 168, 40, 255)]
    for i in range(int(rng.integers(1, 3))):
        way = float(rng.choice([-1, 1]))
        x = (80 - way * rng.uniform(40, 130)) + way * rng.uniform(32, 60) * t
        paint, y, key = paints[int(rng.integers(len(paints)))], 90.0 + i, 10.0 + 20 * i
        body = [(-20, -4), (-19, -9), (-11, -10), (-7, -16), (8, -16), (13, -10), (20, -8), (20, -4)]
        glass = [(-8.5, -10), (-5.6, -14.6), (6.6, -14.6), (10.4, -10)]
        for shape, colour, k in ((body, paint, 0.0), (glass, (150, 190, 214, 255), 1.0)):
            add(np.stack([at(x + way * dx, y + dy) for dx, dy in shape], 1), colour, key + k)
        for dx in (-12, 12):
            add(ellipse(at(x + dx, y - 3.6), 3.8, 3.8, 14), (30, 30, 32, 255), key + 2)
            add(ellipse(at(x + dx, y - 3.6), 1.7, 1.7, 10), (180, 184, 190, 255), key + 3)
