"""What things look like: each is a few polygons, in units of a person's height, about the place where it is held or stands."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from world.figure import solid
from world.parts import Colour, Floats, Part, capsule, ellipse, place, shade

#: a drawing in units: list of (polygon (K, 2), colour, label)
Drawing = list[tuple[Floats, Colour]]
WOOD: Colour = (140, 92, 52, 255)
STEEL: Colour = (168, 172, 180, 255)
DARK: Colour = (44, 40, 42, 255)


def _poly(*xy: float) -> Floats:
    return np.array(xy, float).reshape(-1, 2)


def _rect(x0: float, y0: float, x1: float, y1: float) -> Floats:
    return _poly(x0, y0, x1, y0, x1, y1, x0, y1)


def _oval(x: float, y: float, rx: float, ry: float, n: int = 14) -> Floats:
    return ellipse(np.array([[x, y]]), rx, ry, n)[0]


def _bar(x0: float, y0: float, x1: float, y1: float, r: float) -> Floats:
    return capsule(np.array([[x0, y0]]), np.array([[x1, y1]]), r, r)[0]


def umbrella(c: Colour) -> Drawing:
    t = np.linspace(np.pi, 2 * np.pi, 13)
    dome = np.stack([0.3 * np.cos(t), -0.36 + 0.24 * np.sin(t)], -1)
    lit = np.stack([0.1 * np.cos(t), -0.36 + 0.24 * np.sin(t)], -1)
    scallops = [_oval(x, -0.36, 0.05, 0.025, 8) for x in (-0.25, -0.15, -0.05, 0.05, 0.15, 0.25)]
    return [(_bar(0, 0.06, 0, -0.6, 0.011), DARK), (dome, shade(c, 0.8)), (lit, c), *((s, shade(c, 0.66)) for s in scallops)]


def cup(c: Colour) -> Drawing:
    return [
        (_bar(0.045, -0.03, 0.075, -0.03, 0.03), shade(c, 0.6)),
        (_poly(-0.05, -0.09, 0.05, -0.09, 0.04, 0.04, -0.04, 0.04), shade(c, 0.7)),
        (_poly(-0.05, -0.09, 0.025, -0.09, 0.015, 0.04, -0.04, 0.04), c),
        (_oval(0, -0.09, 0.05, 0.016, 10), (70, 40, 26, 255)),
    ]


def ball(c: Colour) -> Drawing:
    return [
        (_oval(0, 0, 0.078, 0.078), shade(c, 0.6)),
        (_oval(-0.01, -0.01, 0.064, 0.064), c),
        (_oval(-0.028, -0.03, 0.024, 0.02, 10), shade(c, 1.6)),
        (_bar(-0.05, 0.02, 0.05, -0.015, 0.008), shade(c, 0.5)),
    ]


def book(c: Colour) -> Drawing:
    return [
        (_poly(-0.12, -0.07, 0.0, -0.05, 0.12, -0.07, 0.12, 0.07, 0.0, 0.09, -0.12, 0.07), shade(c, 0.75)),
        (_poly(-0.105, -0.062, 0.0, -0.042, 0.0, 0.074, -0.105, 0.056), (246, 244, 232, 255)),
        (_poly(0.105, -0.062, 0.0, -0.042, 0.0, 0.074, 0.105, 0.056), (226, 224, 212, 255)),
    ]


def guitar(c: Colour) -> Drawing:
    c = shade(c, 0.92)
    return [
        (_bar(0.06, 0, 0.42, 0, 0.016), shade(WOOD, 0.7)),
        (_bar(0.42, 0, 0.46, 0, 0.026), DARK),
        (_oval(-0.1, 0, 0.115, 0.1), shade(c, 0.6)),
        (_oval(0.055, 0, 0.085, 0.075), shade(c, 0.6)),
        (_oval(-0.1, -0.004, 0.098, 0.084), c),
        (_oval(0.055, -0.004, 0.07, 0.06), c),
        (_oval(-0.03, 0, 0.032, 0.032, 10), DARK),
        (_bar(-0.15, -0.006, 0.4, -0.006, 0.004), (230, 226, 210, 255)),
    ]


def balloon(c: Colour) -> Drawing:
    return [
        (_bar(0, 0, 0.02, -0.34, 0.005), (220, 220, 220, 255)),
        (_oval(0.02, -0.46, 0.105, 0.13), shade(c, 0.72)),
        (_oval(0.01, -0.47, 0.088, 0.11), c),
        (_oval(-0.02, -0.51, 0.026, 0.034, 10), shade(c, 1.6)),
    ]


def flower(c: Colour) -> Drawing:
    petals = [_oval(0.045 * np.cos(a), -0.17 + 0.045 * np.sin(a), 0.036, 0.036, 10) for a in np.arange(5) * 2 * np.pi / 5]
    green: Colour = (52, 138, 58, 255)
    return [
        (_bar(0, 0.05, 0, -0.15, 0.01), green),
        (_bar(0, 0, 0.06, -0.05, 0.016), green),
        *((p, c) for p in petals),
        (_oval(0, -0.17, 0.026, 0.026, 10), (240, 200, 60, 255)),
    ]


def bag(c: Colour) -> Drawing:
    return [
        (_bar(-0.055, 0.03, 0, -0.015, 0.01), shade(c, 0.5)),
        (_bar(0.055, 0.03, 0, -0.015, 0.01), shade(c, 0.5)),
        (_poly(-0.1, 0.04, 0.1, 0.04, 0.125, 0.2, -0.125, 0.2), shade(c, 0.68)),
        (_poly(-0.09, 0.05, 0.06, 0.05, 0.07, 0.18, -0.11, 0.18), c),
    ]


def flag(c: Colour) -> Drawing:
    return [
        (_bar(0, 0.12, 0, -0.5, 0.012), WOOD),
        (_poly(0.01, -0.5, 0.13, -0.47, 0.25, -0.5, 0.25, -0.32, 0.13, -0.29, 0.01, -0.32), shade(c, 0.8)),
        (_poly(0.01, -0.5, 0.13, -0.47, 0.13, -0.29, 0.01, -0.32), c),
    ]


def sword(c: Colour) -> Drawing:
    return [
        (_poly(-0.018, -0.04, 0.018, -0.04, 0.014, -0.42, 0, -0.47, -0.014, -0.42), (206, 212, 222, 255)),
        (_bar(-0.06, -0.04, 0.06, -0.04, 0.014), c),
        (_bar(0, -0.02, 0, 0.05, 0.016), shade(c, 0.6)),
    ]


def box(c: Colour) -> Drawing:
    top = _poly(-0.13, -0.1, 0.13, -0.1, 0.16, -0.15, -0.1, -0.15)
    side = _poly(0.13, -0.1, 0.16, -0.15, 0.16, 0.07, 0.13, 0.12)
    return [
        (_rect(-0.13, -0.1, 0.13, 0.12), c),
        (top, shade(c, 1.3)),
        (side, shade(c, 0.6)),
        (_rect(-0.02, -0.1, 0.02, 0.12), shade(c, 0.8)),
        (_poly(-0.02, -0.1, 0.02, -0.1, 0.05, -0.15, 0.01, -0.15), shade(c, 0.9)),
    ]


def chair(c: Colour) -> Drawing:
    legs = [(_bar(x, -0.24, x * 1.1, -0.01, 0.014), shade(c, 0.6)) for x in (-0.12, 0.12, -0.09, 0.09)]
    return [
        *legs,
        (_rect(-0.12, -0.52, 0.12, -0.26), shade(c, 0.8)),
        (_rect(-0.09, -0.49, 0.09, -0.31), c),
        (_bar(-0.12, -0.245, 0.12, -0.245, 0.026), shade(c, 0.7)),
    ]


def table(c: Colour) -> Drawing:
    legs = [(_bar(x, -0.3, x, -0.01, 0.02), shade(WOOD, 0.7)) for x in (-0.27, 0.27)]
    return [
        *legs,
        (_poly(-0.34, -0.36, 0.34, -0.36, 0.38, -0.29, -0.38, -0.29), shade(c, 0.95)),
        (_rect(-0.38, -0.29, 0.38, -0.255), shade(c, 0.62)),
    ]


def plant(c: Colour) -> Drawing:
    green = (48, 134, 62, 255)
    leaves = [
        (_bar(0, -0.14, 0.17 * np.sin(a), -0.16 - 0.26 * np.cos(a), 0.03), shade(green, 0.8 + 0.12 * (i % 3)))
        for i, a in enumerate(np.linspace(-1.1, 1.1, 6))
    ]
    return [*leaves, (_poly(-0.09, -0.17, 0.09, -0.17, 0.065, 0, -0.065, 0), c), (_rect(-0.1, -0.19, 0.1, -0.155), shade(c, 0.7))]


def lamp(c: Colour) -> Drawing:
    return [
        (_oval(0, -0.01, 0.1, 0.02), DARK),
        (_bar(0, -0.02, 0, -0.7, 0.014), STEEL),
        (_poly(-0.08, -0.86, 0.08, -0.86, 0.14, -0.68, -0.14, -0.68), c),
        (_poly(-0.08, -0.86, 0.02, -0.86, 0.05, -0.68, -0.14, -0.68), shade(c, 1.25)),
    ]


def _wheel(x: float, r: float) -> Drawing:
    return [
        (_oval(x, -r, r, r, 18), DARK),
        (_oval(x, -r, r * 0.78, r * 0.78, 18), (176, 182, 190, 255)),
        (_oval(x, -r, r * 0.18, r * 0.18, 8), DARK),
    ]


def bicycle(c: Colour) -> Drawing:
    frame = [
        (-0.24, -0.14, -0.1, -0.32),
        (-0.1, -0.32, 0.14, -0.32),
        (0.14, -0.32, 0.24, -0.14),
        (-0.24, -0.14, 0.0, -0.13),
        (0.0, -0.13, 0.14, -0.32),
        (0.0, -0.13, -0.1, -0.32),
    ]
    bars = [(_bar(*f, 0.015), c) for f in frame]
    return [
        *_wheel(-0.24, 0.14),
        *_wheel(0.24, 0.14),
        *bars,
        (_bar(-0.14, -0.37, -0.06, -0.37, 0.018), DARK),
        (_bar(0.12, -0.4, 0.2, -0.38, 0.014), DARK),
    ]


def barrel(c: Colour) -> Drawing:
    body = _poly(-0.12, -0.32, 0.12, -0.32, 0.15, -0.16, 0.12, 0, -0.12, 0, -0.15, -0.16)
    return [
        (body, shade(c, 0.7)),
        (_poly(-0.1, -0.32, 0.04, -0.32, 0.06, -0.16, 0.04, 0, -0.1, 0, -0.13, -0.16), c),
        (_bar(-0.13, -0.25, 0.13, -0.25, 0.014), DARK),
        (_bar(-0.13, -0.07, 0.13, -0.07, 0.014), DARK),
        (_oval(0, -0.32, 0.12, 0.03, 12), shade(c, 0.5)),
    ]


HELD = (umbrella, cup, ball, book, guitar, balloon, flower, bag, flag, sword)
AROUND = (box, chair, table, plant, lamp, bicycle, barrel)
DRAWINGS: dict[str, Callable[[Colour], Drawing]] = {draw.__name__: draw for draw in (*HELD, *AROUND)}


def put(
    name: str, colour: str, origin: Floats, key: Floats, owner: int, scale: float, angle: Floats | float = 0.0, mirror: Floats | float = 1.0
) -> list[Part]:
    """The drawing ``name`` at (T, 2) world positions, as parts one just in front of the other."""
    drawing = DRAWINGS[name](solid(colour))
    return [
        Part(place(shape, origin, angle, scale, mirror), tint, key + 0.0005 * i, owner, name) for i, (shape, tint) in enumerate(drawing)
    ]
