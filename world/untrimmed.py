"""Long videos with several actions and much in between: what temporal detection looks for. A function of (seed, number).

The main person waits, walks about and does one or two classes' actions again and again. What lasts under a second cannot be told for
certain; it is ambiguous. Times lie on tenths of a second.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from world.clips import STREET, TELLING, still
from world.plan import (
    COLOUR_WEIGHTS,
    COLOURS,
    RATE,
    SCENE_WEIGHTS,
    SCENES,
    WIDTH,
    Actor,
    Plan,
    make_camera,
    make_segment,
    make_things,
    person,
    pick,
)

#: What is found: actions that need no thing and may stand anywhere, the same in every world. Walking is background.
DETECTED = (
    *("jump", "clap", "wave", "squat", "kick", "bow", "dance", "spin", "run", "punch"),
    *("march", "stretch", "exercise", "crawl", "point", "jack", "lunge", "flap", "swim", "conduct"),
)
#: What happens in between, and how often.
BETWEEN, BETWEEN_WEIGHTS = ("idle", "walk"), (0.7, 0.3)
#: Seconds of an instance, of what lies between two, and of what is too short to be told.
INSTANCE, PAUSE, SHORT = (1.6, 5.6), (1.4, 6.0), (0.5, 0.9)
#: An action shorter than this is ambiguous.
CERTAIN = 1.0
#: How often a short one stands before a pause, and the second class in place of the first.
OFTEN_SHORT, OFTEN_SECOND = 0.12, 0.25
#: Plans of untrimmed videos are numbered from here.
FIRST_PLAN, MARK = 9_000_000, 143


@dataclass(frozen=True)
class Instance:
    """An action from ``start`` to ``end`` seconds."""

    action: str
    start: float
    end: float

    @property
    def certain(self) -> bool:
        return self.end - self.start >= CERTAIN


@dataclass(frozen=True)
class Untrimmed:
    """A video; ``plan.actors[main]`` does what is in ``instances``, in order."""

    plan: Plan
    main: int
    instances: tuple[Instance, ...]


def make_untrimmed(seed: int, number: int, actions: tuple[str, ...], seconds: tuple[int, int], only_short: bool = False) -> Untrimmed:
    """Video ``number`` with instances of ``actions`` (the first one more often), between ``seconds`` long.

    ``only_short``: every instance is too short to be told.
    """
    rng = np.random.default_rng([seed, MARK, number])
    tenths = int(rng.integers(10 * seconds[0], 10 * seconds[1] + 1))
    script = _script(rng, tenths, actions, only_short)
    people = _people(rng)
    x = people[0].x
    for action, start, end in script:
        people[0].segments.append(make_segment(rng, people[0], action, start / 10, end / 10, x))
        x += people[0].segments[-1].travel
    for other in people[1:]:
        other.segments = [make_segment(rng, other, "idle", 0.0, tenths / 10, other.x)]
    main, people = people[0], sorted(people, key=lambda actor: actor.y)
    found = next(i for i, actor in enumerate(people) if actor is main)
    scene, night = pick(rng, SCENES, SCENE_WEIGHTS), bool(rng.random() < 0.25)
    things, camera = make_things(rng, people, people[0].height), make_camera(rng, people)
    camera.target = found
    plan = Plan(FIRST_PLAN + number, tenths * RATE // 10, scene, night, int(rng.integers(1 << 31)), people, things, camera)
    done = tuple(Instance(action, start / 10, end / 10) for action, start, end in script if action not in BETWEEN)
    return Untrimmed(plan, found, done)


def plain(made: Untrimmed) -> Untrimmed:
    """The same actions in the plain setting: the main person alone, in the street by day, before a camera that does not move."""
    plan = made.plan
    who = [plan.actors[made.main]]
    camera = dataclasses.replace(still(plan.camera), target=0)
    changed = dataclasses.replace(plan, scene="street", night=False, texture=STREET, actors=who, things=[], camera=camera)
    return dataclasses.replace(made, plan=changed, main=0)


def _script(rng: np.random.Generator, tenths: int, actions: tuple[str, ...], only_short: bool) -> list[tuple[str, int, int]]:
    """What the main person does from which to which tenth of a second; it begins and ends with background, and leaves no gap."""

    def length(bounds: tuple[float, float]) -> int:
        return round(10 * float(rng.uniform(*bounds)))

    script: list[tuple[str, int, int]] = []
    now = 0
    while True:
        pause, lasting = length(PAUSE), length(SHORT if only_short or rng.random() < OFTEN_SHORT else INSTANCE)
        action = actions[1] if len(actions) > 1 and rng.random() < OFTEN_SECOND else actions[0]
        if now + pause + lasting + round(10 * PAUSE[0]) > tenths:
            script.append((pick(rng, BETWEEN, BETWEEN_WEIGHTS), now, tenths))
            return script
        script.append((pick(rng, BETWEEN, BETWEEN_WEIGHTS), now, now + pause))
        script.append((action, now + pause, now + pause + lasting))
        now += pause + lasting


def _people(rng: np.random.Generator) -> list[Actor]:
    """One or two people with free hands, the main one first."""
    count = int(rng.choice(2, p=[0.6, 0.4])) + 1
    height = (84.0, 75.0)[count - 1] * float(rng.uniform(0.9, 1.06))
    weights = np.array(COLOUR_WEIGHTS) / sum(COLOUR_WEIGHTS)
    places = [float(rng.uniform(50, WIDTH - 50)), float(rng.choice([26.0, WIDTH - 26.0]))]
    shirts = [COLOURS[i] for i in rng.choice(len(COLOURS), count, replace=False, p=weights)]
    people = [person(rng, x, height, shirt) for x, shirt in zip(places, shirts)]
    main = dataclasses.replace(people[0], holds="", holds_colour="")
    return [main, *(dataclasses.replace(who, holds="", holds_colour="") if who.holds in TELLING else who for who in people[1:])]
