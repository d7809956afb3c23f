"""Things and animals: what people hold, throw, lift and sit on, and what stands or runs about beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from world.actions import ACTIONS
from world.figure import solid
from world.motion import Moving, holding_hand
from world.parts import Colour, Part, capsule, ellipse, place, shade
from world.plan import RATE, Thing

Floats = npt.NDArray[np.float64]
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


def _umbrella(c: Colour) -> Drawing:
    t = np.linspace(np.pi, 2 * np.pi, 13)
    dome = np.stack([0.3 * np.cos(t), -0.36 + 0.24 * np.sin(t)], -1)
    lit = np.stack([0.1 * np.cos(t), -0.36 + 0.24 * np.sin(t)], -1)
    scallops = [_oval(x, -0.36, 0.05, 0.025, 8) for x in (-0.25, -0.15, -0.05, 0.05, 0.15, 0.25)]
    return [(_bar(0, 0.06, 0, -0.6, 0.011), DARK), (dome, shade(c, 0.8)), (lit, c), *((s, shade(c, 0.66)) for s in scallops)]


def _cup(c: Colour) -> Drawing:
    return [
        (_bar(0.045, -0.03, 0.075, -0.03, 0.03), shade(c, 0.6)),
        (_poly(-0.05, -0.09, 0.05, -0.09, 0.04, 0.04, -0.04, 0.04), shade(c, 0.7)),
        (_poly(-0.05, -0.09, 0.025, -0.09, 0.015, 0.04, -0.04, 0.04), c),
        (_oval(0, -0.09, 0.05, 0.016, 10), (70, 40, 26, 255)),
    ]


def _ball(c: Colour) -> Drawing:
    return [
        (_oval(0, 0, 0.078, 0.078), shade(c, 0.6)),
        (_oval(-0.01, -0.01, 0.064, 0.064), c),
        (_oval(-0.028, -0.03, 0.024, 0.02, 10), shade(c, 1.6)),
        (_bar(-0.05, 0.02, 0.05, -0.015, 0.008), shade(c, 0.5)),
    ]


def _book(c: Colour) -> Drawing:
    return [
        (_poly(-0.12, -0.07, 0.0, -0.05, 0.12, -0.07, 0.12, 0.07, 0.0, 0.09, -0.12, 0.07), shade(c, 0.75)),
        (_poly(-0.105, -0.062, 0.0, -0.042, 0.0, 0.074, -0.105, 0.056), (246, 244, 232, 255)),
        (_poly(0.105, -0.062, 0.0, -0.042, 0.0, 0.074, 0.105, 0.056), (226, 224, 212, 255)),
    ]


def _guitar(c: Colour) -> Drawing:
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


def _balloon(c: Colour) -> Drawing:
    return [
        (_bar(0, 0, 0.02, -0.34, 0.005), (220, 220, 220, 255)),
        (_oval(0.02, -0.46, 0.105, 0.13), shade(c, 0.72)),
        (_oval(0.01, -0.47, 0.088, 0.11), c),
        (_oval(-0.02, -0.51, 0.026, 0.034, 10), shade(c, 1.6)),
    ]


def _flower(c: Colour) -> Drawing:
    petals = [_oval(0.045 * np.cos(a), -0.17 + 0.045 * np.sin(a), 0.036, 0.036, 10) for a in np.arange(5) * 2 * np.pi / 5]
    green: Colour = (52, 138, 58, 255)
    return [
        (_bar(0, 0.05, 0, -0.15, 0.01), green),
        (_bar(0, 0, 0.06, -0.05, 0.016), green),
        *((p, c) for p in petals),
        (_oval(0, -0.17, 0.026, 0.026, 10), (240, 200, 60, 255)),
    ]


def _bag(c: Colour) -> Drawing:
    return [
        (_bar(-0.055, 0.03, 0, -0.015, 0.01), shade(c, 0.5)),
        (_bar(0.055, 0.03, 0, -0.015, 0.01), shade(c, 0.5)),
        (_poly(-0.1, 0.04, 0.1, 0.04, 0.125, 0.2, -0.125, 0.2), shade(c, 0.68)),
        (_poly(-0.09, 0.05, 0.06, 0.05, 0.07, 0.18, -0.11, 0.18), c),
    ]


def _flag(c: Colour) -> Drawing:
    return [
        (_bar(0, 0.12, 0, -0.5, 0.012), WOOD),
        (_poly(0.01, -0.5, 0.13, -0.47, 0.25, -0.5, 0.25, -0.32, 0.13, -0.29, 0.01, -0.32), shade(c, 0.8)),
        (_poly(0.01, -0.5, 0.13, -0.47, 0.13, -0.29, 0.01, -0.32), c),
    ]


def _sword(c: Colour) -> Drawing:
    return [
        (_poly(-0.018, -0.04, 0.018, -0.04, 0.014, -0.42, 0, -0.47, -0.014, -0.42), (206, 212, 222, 255)),
        (_bar(-0.06, -0.04, 0.06, -0.04, 0.014), c),
        (_bar(0, -0.02, 0, 0.05, 0.016), shade(c, 0.6)),
    ]


def _box(c: Colour) -> Drawing:
    top = _poly(-0.13, -0.1, 0.13, -0.1, 0.16, -0.15, -0.1, -0.15)
    side = _poly(0.13, -0.1, 0.16, -0.15, 0.16, 0.07, 0.13, 0.12)
    return [
        (_rect(-0.13, -0.1, 0.13, 0.12), c),
        (top, shade(c, 1.3)),
        (side, shade(c, 0.6)),
        (_rect(-0.02, -0.1, 0.02, 0.12), shade(c, 0.8)),
        (_poly(-0.02, -0.1, 0.02, -0.1, 0.05, -0.15, 0.01, -0.15), shade(c, 0.9)),
    ]


def _chair(c: Colour) -> Drawing:
    legs = [(_bar(x, -0.24, x * 1.1, -0.01, 0.014), shade(c, 0.6)) for x in (-0.12, 0.12, -0.09, 0.09)]
    return [
        *legs,
        (_rect(-0.12, -0.52, 0.12, -0.26), shade(c, 0.8)),
        (_rect(-0.09, -0.49, 0.09, -0.31), c),
        (_bar(-0.12, -0.245, 0.12, -0.245, 0.026), shade(c, 0.7)),
    ]


def _table(c: Colour) -> Drawing:
    legs = [(_bar(x, -0.3, x, -0.01, 0.02), shade(WOOD, 0.7)) for x in (-0.27, 0.27)]
    return [
        *legs,
        (_poly(-0.34, -0.36, 0.34, -0.36, 0.38, -0.29, -0.38, -0.29), shade(c, 0.95)),
        (_rect(-0.38, -0.29, 0.38, -0.255), shade(c, 0.62)),
    ]


def _plant(c: Colour) -> Drawing:
    green = (48, 134, 62, 255)
    leaves = [
        (_bar(0, -0.14, 0.17 * np.sin(a), -0.16 - 0.26 * np.cos(a), 0.03), shade(green, 0.8 + 0.12 * (i % 3)))
        for i, a in enumerate(np.linspace(-1.1, 1.1, 6))
    ]
    return [*leaves, (_poly(-0.09, -0.17, 0.09, -0.17, 0.065, 0, -0.065, 0), c), (_rect(-0.1, -0.19, 0.1, -0.155), shade(c, 0.7))]


def _lamp(c: Colour) -> Drawing:
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


def _bicycle(c: Colour) -> Drawing:
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


def _barrel(c: Colour) -> Drawing:
    body = _poly(-0.12, -0.32, 0.12, -0.32, 0.15, -0.16, 0.12, 0, -0.12, 0, -0.15, -0.16)
    return [
        (body, shade(c, 0.7)),
        (_poly(-0.1, -0.32, 0.04, -0.32, 0.06, -0.16, 0.04, 0, -0.1, 0, -0.13, -0.16), c),
        (_bar(-0.13, -0.25, 0.13, -0.25, 0.014), DARK),
        (_bar(-0.13, -0.07, 0.13, -0.07, 0.014), DARK),
        (_oval(0, -0.32, 0.12, 0.03, 12), shade(c, 0.5)),
    ]


DRAWINGS: dict[str, Callable[[Colour], Drawing]] = {
    "umbrella": _umbrella,
    "cup": _cup,
    "ball": _ball,
    "book": _book,
    "guitar": _guitar,
    "balloon": _balloon,
    "flower": _flower,
    "bag": _bag,
    "flag": _flag,
    "sword": _sword,
    "box": _box,
    "chair": _chair,
    "table": _table,
    "plant": _plant,
    "lamp": _lamp,
    "bicycle": _bicycle,
    "barrel": _barrel,
}


def put(
    name: str, colour: str, origin: Floats, key: Floats, owner: int, scale: float, angle: Floats | float = 0.0, mirror: Floats | float = 1.0
) -> list[Part]:
    """The drawing ``name`` at (T, 2) world positions, as parts one just in front of the other."""
    drawing = DRAWINGS[name](solid(colour))
    return [
        Part(place(shape, origin, angle, scale, mirror), tint, key + 0.0005 * i, owner, name) for i, (shape, tint) in enumerate(drawing)
    ]


def held(moving: Moving, owner: int, base: float) -> list[Part]:
    """What the actor holds or uses: the thing in the hand and the thing that an action needs."""
    parts: list[Part] = []
    actor = moving.actor
    if actor.holds:
        parts += _in_hand(moving, owner, base)
    for segment in actor.segments:
        prop = ACTIONS[segment.action].prop if segment.action in ACTIONS else ""
        make = {"chair": _seat, "box": _cargo, "balls": _juggled}.get(prop) or (_flying if prop == "ball" else None)
        if make is not None:
            parts += make(moving, owner, base, actor.segments.index(segment))
    return parts


def _in_hand(m: Moving, owner: int, base: float) -> list[Part]:
    actor, name = m.actor, m.actor.holds
    h = m.size
    if name in ("book", "guitar"):
        left, right = m.joints["left_hand"], m.joints["right_hand"]
        middle = (
            (left + right) / 2 if name == "book" else m.joints["chest"] * 0.35 + m.joints["pelvis"] * 0.65 + 0.1 * m.joints["chest_forward"]
        )
        across = m.joints["chest_across"][:, 0]
        key = base + np.clip(middle[:, 2] + 0.1, -0.9, 0.97)
        squeeze = np.where(np.abs(across) < 0.35, np.where(across < 0, -0.35, 0.35), across)
        angle = -0.42 * np.sign(squeeze) if name == "guitar" else 0.0
        return put(name, actor.holds_colour, m.project(middle), key, owner, 0.98 * h, angle, squeeze)
    side = "left" if holding_hand(actor) == "l" else "right"
    hand, wrist = m.joints[f"{side}_hand"], m.joints[f"{side}_wrist"]
    origin = m.project(hand)
    key = base + np.clip(hand[:, 2] + 0.07, -0.9, 0.97)
    angle: Floats | float = 0.0
    if name in ("sword", "flag"):
        d = m.project(hand) - m.project(wrist)
        angle = 0.35 * np.clip(d[:, 0] / (0.05 * h), -1, 1)
    if name == "balloon":
        angle = 0.12 * np.sin(np.arange(len(origin)) / RATE * 3)
    if name == "cup":
        angle = (
            -0.6
            * np.clip((hand[:, 1] - m.joints["chest"][:, 1]) / 0.12, 0, 1)
            * np.sign(m.joints["chest_across"][:, 0] + 1e-9)
            * (1 if side == "right" else -1)
        )
    return put(name, actor.holds_colour, origin, key, owner, h, angle)


def _seat(m: Moving, owner: int, base: float, which: int) -> list[Part]:
    segment = m.actor.segments[which]
    frame = min(len(m.x) - 1, int(segment.end * RATE)) if segment.action == "sit" else 0
    pelvis = m.joints["pelvis"][frame : frame + 1]
    origin = np.repeat(np.array([[m.project(np.repeat(pelvis, len(m.x), 0))[frame, 0], m.actor.y - 0.5]]), len(m.x), 0)
    return put("chair", m.actor.prop_colour, origin, np.full(len(m.x), base - 0.97), owner, m.size)


def _hands(m: Moving) -> Floats:
    return (m.joints["left_hand"] + m.joints["right_hand"]) / 2


def _cargo(m: Moving, owner: int, base: float, which: int) -> list[Part]:
    segment = m.actor.segments[which]
    t = np.arange(len(m.x)) / RATE
    hands = m.project(_hands(m) + 0.03 * m.joints["chest_forward"])
    floor = m.actor.y - 0.12 * m.size
    facing = np.sign(np.sin(np.deg2rad(segment.heading)) + 1e-9)
    if segment.action in ("push", "pull"):
        origin = np.stack([hands[:, 0] + facing * 0.17 * m.size, np.full(len(t), m.actor.y - 0.24 * m.size)], -1)
        return put("box", m.actor.prop_colour, origin, np.full(len(t), base - 0.9), owner, 2.0 * m.size)
    p = (t - segment.start) / (segment.end - segment.start)
    grab = 0.4 if segment.action == "lift" else 0.6
    moment = int(np.argmin(np.abs(p - grab)))
    rest = np.array([hands[moment, 0], floor])
    carried = (p >= grab) if segment.action == "lift" else (p < grab)
    offset = rest[1] - hands[moment, 1]
    fade = np.exp(-np.abs(p - grab) / 0.12)
    moved = hands + np.stack([np.zeros(len(t)), offset * fade], -1)
    origin = np.where(carried[:, None], moved, rest)
    origin[:, 1] = np.minimum(origin[:, 1], floor)
    return put("box", m.actor.prop_colour, origin, np.full(len(t), base + 0.96), owner, m.size)


def _flying(m: Moving, owner: int, base: float, which: int) -> list[Part]:
    segment = m.actor.segments[which]
    t = np.arange(len(m.x)) / RATE
    length = segment.end - segment.start
    p = (t - segment.start) / length
    facing = np.sign(np.sin(np.deg2rad(segment.heading)) + 1e-9)
    h = m.size
    if segment.action == "throw":
        hand = m.joints["left_hand" if segment.hand == "l" else "right_hand"]
        moment, away, rise = 0.53, 1.0, -0.9
    else:
        hand = _hands(m) + 0.05 * m.joints["chest_forward"]
        moment, away, rise = 0.5, -1.0, 0.9
    grip = m.project(hand)
    frame = int(np.argmin(np.abs(p - moment)))
    since = (t - t[frame]) * away
    path = grip[frame] + np.stack([facing * 2.1 * h * since, rise * away * h * since + 1.5 * h * since**2], -1)
    free = since > 0
    origin = np.where(free[:, None], path, grip)
    key = base + np.clip(hand[:, 2] + 0.08, -0.9, 0.97)
    return put("ball", m.actor.prop_colour, origin, key, owner, h, 6.0 * facing * since * free)


def _juggled(m: Moving, owner: int, base: float, which: int) -> list[Part]:
    t = np.arange(len(m.x)) / RATE
    left, right = m.flat("left_hand"), m.flat("right_hand")
    centre, reach = (left + right) / 2, (left - right)[:, 0] / 2
    parts: list[Part] = []
    for i, colour in enumerate((m.actor.prop_colour, "white", "red")):
        u = 2 * np.pi * (0.8 * t + i / 3)
        origin = centre + np.stack([reach * np.cos(u), -m.size * (0.08 + 0.24 * (0.5 + 0.5 * np.sin(u)))], -1)
        parts += put("ball", colour, origin, np.full(len(t), base + 0.98), owner, 0.62 * m.size)
    return parts


def around(thing: Thing, frames: int, base: float) -> list[Part]:
    """A thing or an animal beside the people."""
    t = np.arange(frames) / RATE
    x = thing.x + thing.drift * t
    origin = np.stack([x, np.full(frames, thing.y)], -1)
    key = np.full(frames, base)
    half = {"table": 0.36, "bicycle": 0.34, "dog": 0.2, "cat": 0.16}.get(thing.name, 0.14) * thing.size
    shadow = [Part(ellipse(origin + np.array([0, 0.6]), half, 0.035 * thing.size), (0, 0, 0, 66), key - 0.9, -2, "shadow")]
    if thing.name in ("dog", "cat"):
        return shadow + _animal(thing, origin, key, t)
    lift = {"ball": 0.078, "box": 0.12}.get(thing.name, 0.0)
    return shadow + put(thing.name, thing.colour, origin - np.array([0, lift * thing.size]), key, -2, thing.size)


def _animal(thing: Thing, origin: Floats, key: Floats, t: Floats) -> list[Part]:
    dog = thing.name == "dog"
    fur: Colour = (150, 104, 62, 255) if dog else (232, 150, 62, 255)
    if thing.colour in ("black", "white", "grey"):
        fur = solid(thing.colour)
    s, way = (1.0 if dog else 0.76) * thing.size, 1.0 if thing.drift >= 0 else -1.0
    moving = 1.0 if thing.drift else 0.0
    phase = 2 * np.pi * 2.2 * t

    def at(dx: Floats | float, dy: Floats | float) -> Floats:
        return origin + np.stack([way * s * np.broadcast_to(dx, t.shape), s * np.broadcast_to(dy, t.shape)], -1)

    bob = 0.012 * moving * np.abs(np.sin(phase))
    parts: list[Part] = []

    def add(points: Floats, colour: Colour, order: int) -> None:
        parts.append(Part(points, colour, key + 0.001 * order, -2, thing.name))

    for i, x in enumerate((-0.13, -0.1, 0.1, 0.13)):
        swing = 0.06 * moving * np.sin(phase + (np.pi if i in (1, 2) else 0))
        add(capsule(at(x, -0.13 - bob), at(x + swing, -0.012), 0.03 * s, 0.02 * s), shade(fur, 0.62 if i % 2 else 0.8), i)
    wag = 0.05 * np.sin(2 * np.pi * 2.6 * t)
    tail = at(-0.26, -0.3 + wag) if dog else at(-0.25 + wag, -0.4)
    add(capsule(at(-0.15, -0.2 - bob), tail, 0.024 * s, 0.014 * s), shade(fur, 0.8), 4)
    add(capsule(at(-0.13, -0.17 - bob), at(0.13, -0.18 - bob), 0.066 * s, 0.07 * s), shade(fur, 0.74), 5)
    add(capsule(at(-0.13, -0.185 - bob), at(0.13, -0.195 - bob), 0.046 * s, 0.05 * s), fur, 6)
    head = at(0.22, -0.28 - bob)
    add(capsule(head, head + np.array([0, 0.2]), 0.07 * s, 0.07 * s), fur, 7)
    if dog:
        add(capsule(at(0.25, -0.26 - bob), at(0.32, -0.25 - bob), 0.036 * s, 0.03 * s), shade(fur, 0.85), 8)
        add(capsule(at(0.18, -0.32 - bob), at(0.16, -0.24 - bob), 0.03 * s, 0.024 * s), shade(fur, 0.5), 9)
        add(ellipse(at(0.345, -0.262 - bob), 0.016 * s, 0.014 * s, 8), DARK, 10)
    else:
        for x in (0.18, 0.25):
            ear = np.stack([at(x - 0.03, -0.32 - bob), at(x, -0.4 - bob), at(x + 0.035, -0.32 - bob)], 1)
            add(ear, shade(fur, 0.8), 8)
    add(ellipse(at(0.24, -0.29 - bob), 0.012 * s, 0.014 * s, 8), DARK, 11)
    return parts
