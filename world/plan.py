"""What happens in one video, decided before anything is drawn. A plan is plain data: everything else is a function of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from world.actions import ACTIONS, KNOWN

WIDTH, HEIGHT, RATE, AUDIO_RATE = 160, 120, 12, 16000

COLOURS = ("red", "blue", "green", "yellow", "white", "black", "purple", "orange", "pink", "brown", "grey")
COLOUR_WEIGHTS = (5, 5, 4, 4, 3.6, 3, 1.6, 1.6, 1.2, 0.8, 0.8)
KINDS = ("man", "woman", "boy", "girl")
KIND_WEIGHTS = (3.2, 3.0, 2.0, 2.0)
SCENES = ("street", "park", "beach", "kitchen", "bedroom", "stage", "mountain", "classroom", "desert")
SCENE_WEIGHTS = (5, 5, 4, 4, 3.5, 3.5, 3, 2.5, 2)
INDOORS = frozenset({"kitchen", "bedroom", "stage", "classroom"})
#: held in one hand, or with both (guitar, book)
HELD = ("umbrella", "cup", "ball", "book", "guitar", "balloon", "flower", "bag", "flag", "sword")
HELD_WEIGHTS = (3, 1.5, 2.5, 1.5, 1.5, 2.2, 1.6, 2, 1.2, 1)
ONE_HAND = frozenset({"umbrella", "cup", "ball", "balloon", "flower", "bag", "flag", "sword"})
#: things and animals that stand or move about
AROUND = ("chair", "table", "box", "ball", "dog", "cat", "plant", "lamp", "bicycle", "barrel")
MOVERS = frozenset({"dog", "cat"})
NO_LIKING: Mapping[str, float] = {}
CAMERAS = ("still", "pan", "zoom", "shake", "follow")


@dataclass
class Segment:
    """One action of one actor from ``start`` to ``end`` seconds. ``heading`` is the yaw in degrees (0 = to the viewer)."""

    action: str
    start: float
    end: float
    heading: float
    hand: str = "r"
    rate: float = 1.0
    size: float = 1.0
    reps: int = 1
    travel: float = 0.0


@dataclass
class Actor:
    """A person. ``x`` is where they start and ``y`` where their feet are, in world pixels; ``height`` in pixels (upright)."""

    kind: str
    x: float
    y: float
    height: float
    shirt: str
    bottom: str
    skirt: bool
    skin: int
    hair: int
    hat: str = ""
    holds: str = ""
    holds_colour: str = ""
    prop_colour: str = ""
    phase: float = 0.0
    segments: list[Segment] = field(default_factory=list)

    @property
    def prop(self) -> str:
        """The thing that one of the actions needs, or ``""``."""
        return next((KNOWN[s.action].prop for s in self.segments if KNOWN.get(s.action) and KNOWN[s.action].prop), "")


@dataclass
class Thing:
    """An object or animal beside the people. ``drift`` is its speed in pixels per second."""

    name: str
    x: float
    y: float
    size: float
    colour: str
    drift: float = 0.0


@dataclass
class Camera:
    """``amount`` in pixels (pan), a factor (zoom) or degrees of shaking; ``follow`` keeps to actor ``target``."""

    move: str = "still"
    dx: float = 0.0
    dy: float = 0.0
    zoom: float = 1.0
    zoom_end: float = 1.0
    shake: float = 0.0
    target: int = 0


@dataclass
class Plan:
    """A whole video."""

    index: int
    frames: int
    scene: str
    night: bool
    texture: int
    actors: list[Actor]
    things: list[Thing]
    camera: Camera

    @property
    def seconds(self) -> float:
        return self.frames / RATE

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Plan:
        actors = [Actor(**{**a, "segments": [Segment(**s) for s in a["segments"]]}) for a in row["actors"]]
        return cls(**{**row, "actors": actors, "things": [Thing(**t) for t in row["things"]], "camera": Camera(**row["camera"])})


def pick(rng: np.random.Generator, names: tuple[str, ...] | list[str], weights: Any = None) -> str:
    """One of ``names`` with the given weights."""
    p = None if weights is None else np.asarray(weights, float) / np.sum(weights)
    return names[int(rng.choice(len(names), p=p))]


def make_plan(seed: int, index: int, liking: Mapping[str, float] = NO_LIKING, most: int = 4) -> Plan:
    """The plan of video ``index``: a function of (seed, index) alone, and of what is asked for.

    ``liking``: action -> how much more often than usual it is done; ``most``: people at most.
    """
    rng = np.random.default_rng([seed, index])
    frames = int(rng.integers(36, 67))
    scene = pick(rng, SCENES, SCENE_WEIGHTS)
    night = bool(rng.random() < 0.4)
    count = min(most, int(rng.choice(4, p=[0.46, 0.32, 0.15, 0.07])) + 1)
    height = {1: 82.0, 2: 77.0, 3: 71.0, 4: 66.0}[count] * rng.uniform(0.95, 1.06)
    slots = (np.arange(count) + 0.5) * (WIDTH - 16) / count + 8 + rng.uniform(-7, 7, count)
    rng.shuffle(slots)
    crowd = pick(rng, [n for n in ACTIONS if ACTIONS[n].place == "any" and not ACTIONS[n].prop]) if count > 1 and rng.random() < 0.3 else ""
    actors: list[Actor] = []
    shirts = [COLOURS[i] for i in rng.choice(len(COLOURS), count, replace=False, p=np.array(COLOUR_WEIGHTS) / sum(COLOUR_WEIGHTS))]
    for slot, shirt in zip(slots, shirts):
        actors.append(_actor(rng, float(slot), height, frames / RATE, shirt, crowd, liking))
    actors.sort(key=lambda a: a.y)
    return Plan(index, frames, scene, night, int(rng.integers(1 << 31)), actors, make_things(rng, actors, height), make_camera(rng, actors))


def _actor(rng: np.random.Generator, x: float, scale: float, seconds: float, shirt: str, crowd: str, liking: Mapping[str, float]) -> Actor:
    actor = person(rng, x, scale, shirt)
    _schedule(rng, actor, seconds, crowd, liking)
    fill_hands(actor)
    return actor


def person(rng: np.random.Generator, x: float, scale: float, shirt: str) -> Actor:
    """Somebody who does nothing yet, standing at ``x``; ``scale`` is the height in pixels of those in the middle distance."""
    kind = pick(rng, KINDS, KIND_WEIGHTS)
    y = float(rng.uniform(97, 112))
    bottom = pick(rng, [c for c in COLOURS if c != shirt], [w for c, w in zip(COLOURS, COLOUR_WEIGHTS) if c != shirt])
    female = kind in ("woman", "girl")
    return Actor(
        *(kind, x, y, round(scale * (0.9 + 0.012 * (y - 97)) * float(rng.uniform(0.97, 1.03)), 3), shirt, bottom),
        *(bool(female and rng.random() < 0.7), int(rng.integers(5)), int(rng.integers(5))),
        hat=pick(rng, COLOURS, COLOUR_WEIGHTS) if rng.random() < 0.22 else "",
        holds=pick(rng, HELD, HELD_WEIGHTS) if rng.random() < 0.34 else "",
        holds_colour=pick(rng, COLOURS, COLOUR_WEIGHTS),
        prop_colour=pick(rng, COLOURS, COLOUR_WEIGHTS),
        phase=round(float(rng.uniform(0, 1)), 3),
    )


def fill_hands(actor: Actor) -> None:
    """Put what an action needs into the hands, in place of what was held; nothing has no colour."""
    if actor.prop:
        actor.holds = actor.prop if actor.prop in HELD and actor.prop != "ball" else ""
    if not actor.holds:
        actor.holds_colour = ""


def _schedule(rng: np.random.Generator, actor: Actor, seconds: float, crowd: str, liking: Mapping[str, float]) -> None:
    """Fill the actor's time with one to three different actions."""
    if rng.random() < 0.08 and not crowd:
        actor.segments = [make_segment(rng, actor, "idle", 0.0, seconds, actor.x)]
        return
    most = 3 if seconds > 4.4 else 2
    number = min(most, int(rng.choice(3, p=[0.48, 0.36, 0.16])) + 1)
    names: list[str] = []
    if crowd and rng.random() < 0.75:
        number, names = 1, [crowd]
    while len(names) < number:
        names = _sequence(rng, number, actor, liking)
    if actor.holds and crowd and ACTIONS[crowd].arms > free_arms(actor.holds):
        actor.holds = ""
    cuts = np.sort(rng.uniform(-0.16, 0.16, number - 1) + np.arange(1, number)) / number * seconds
    edges = [0.0, *(round(float(c), 3) for c in cuts), round(seconds, 3)]
    x = actor.x
    for name, a, b in zip(names, edges, edges[1:]):
        actor.segments.append(make_segment(rng, actor, name, a, b, x))
        x += actor.segments[-1].travel


def free_arms(held: str) -> int:
    """How many hands somebody who holds ``held`` has left."""
    return 2 if not held else 1 if held in ONE_HAND else 0


def _sequence(rng: np.random.Generator, number: int, actor: Actor, liking: Mapping[str, float]) -> list[str]:
    """Different actions that fit together: at most one that needs a thing, each in a place where it may stand."""
    names: list[str] = []
    for position in range(number):
        choice = [n for n in ACTIONS if n not in names and _fits(n, names, position, number, actor.holds)]
        names.append(pick(rng, choice, [ACTIONS[n].weight * liking.get(n, 1.0) for n in choice]))
    return names


def _fits(name: str, before: list[str], position: int, number: int, holds: str) -> bool:
    action = ACTIONS[name]
    place = {"any": True, "first": position == 0, "last": position == number - 1, "only": number == 1}[action.place]
    hands = action.arms <= free_arms(holds) or (action.prop == holds != "")
    return place and hands and not (action.prop and any(ACTIONS[n].prop for n in before))


def make_segment(rng: np.random.Generator, actor: Actor, name: str, start: float, end: float, x: float) -> Segment:
    """The action ``name`` of an actor who stands at ``x`` when it begins: which way, how fast, how often, with which hand."""
    duration = end - start
    action = KNOWN.get(name)
    heading = float(rng.uniform(-40, 40))
    reps, travel = 1, 0.0
    if action is not None and (action.profile or action.speed):
        room = WIDTH / 2 - x
        way = 1.0 if (room > 0) == (rng.random() < 0.85) else -1.0
        if action.speed:
            if (WIDTH - 14 - x if way > 0 else x - 14) < 24:
                way = -way
            space = WIDTH - 14 - x if way > 0 else x - 14
            distance = min(abs(action.speed) * actor.height * duration * float(rng.uniform(0.85, 1.1)), space)
            travel = round(way * distance, 3)
        facing = -way if action.speed < 0 else way
        heading = facing * float(rng.uniform(62, 92))
        if action.prop in ("box", "ball"):
            heading = facing * float(rng.uniform(74, 92))
    if action is not None and action.period:
        most = max(1, int(duration / (0.72 * action.period)))
        least = max(1, int(duration / (1.7 * action.period)))
        reps = int(rng.integers(least, most + 1))
    if name == "spin":
        reps = max(1, round(duration * float(rng.uniform(0.6, 1.0))))
    return Segment(
        *(name, start, end, round(heading, 2), "lr"[int(rng.random() < 0.7)]),
        *(round(float(rng.uniform(0.87, 1.15)), 3), round(float(rng.uniform(0.88, 1.1)), 3), reps, travel),
    )


def make_things(rng: np.random.Generator, actors: list[Actor], scale: float) -> list[Thing]:
    """None, one or two things or animals, none like what the people use."""
    taken = {a.prop for a in actors} | {a.holds for a in actors}
    things: list[Thing] = []
    for _ in range(int(rng.choice(3, p=[0.4, 0.45, 0.15]))):
        name = pick(rng, [n for n in AROUND if n not in taken])
        taken.add(name)
        drift = float(rng.choice([-1, 1]) * rng.uniform(12, 26)) if name in MOVERS and rng.random() < 0.7 else 0.0
        x = float(rng.uniform(20, WIDTH - 20))
        if drift:
            x = float(rng.uniform(10, 60)) if drift > 0 else float(rng.uniform(100, 150))
        things.append(
            Thing(
                name,
                round(x, 2),
                round(float(rng.uniform(94, 115)), 2),
                round(scale, 2),
                pick(rng, COLOURS, COLOUR_WEIGHTS),
                round(drift, 2),
            )
        )
    return things


def make_camera(rng: np.random.Generator, actors: list[Actor]) -> Camera:
    """A camera and what it does."""
    move = pick(rng, CAMERAS, (3, 3, 2, 2, 1))
    target = int(rng.integers(len(actors)))
    zoom = round(float(rng.uniform(0.96, 1.08)), 3)
    camera = Camera(move, 0.0, 0.0, zoom, zoom, 0.0, target)
    if move == "pan":
        camera.dx = round(float(rng.choice([-1, 1]) * rng.uniform(8, 22)), 2)
        camera.dy = round(float(rng.uniform(-4, 4)), 2)
    if move == "zoom":
        camera.zoom_end = round(zoom * float(rng.choice([0.87, 1.14])), 3)
    if move == "shake":
        camera.shake = round(float(rng.uniform(0.8, 2.2)), 2)
    return camera
