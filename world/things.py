"""Things and animals: what people hold, throw, lift and sit on, and what stands or runs about beside them."""

from __future__ import annotations

import numpy as np

from world.actions import KNOWN
from world.drawings import DARK, Floats, put
from world.figure import solid
from world.motion import Moving, holding_hand
from world.parts import Colour, Part, capsule, ellipse, shade
from world.plan import RATE, Thing


def held(moving: Moving, owner: int, base: float) -> list[Part]:
    """What the actor holds or uses: the thing in the hand and the thing that an action needs."""
    parts: list[Part] = []
    actor = moving.actor
    if actor.holds:
        parts += _in_hand(moving, owner, base)
    for segment in actor.segments:
        prop = KNOWN[segment.action].prop if segment.action in KNOWN else ""
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
