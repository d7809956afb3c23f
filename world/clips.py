"""Videos of one action each, from groups: what the main person does is the label, from the first picture to the last.

A *group* is the same people in the same place, as in UCF101; its clips differ in camera, direction, pace and length. Who else is there
only stands, or does the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cache.errors import ConfigError, nearest
from world.actions import KNOWN
from world.layout import EVERYTHING, Shown
from world.plan import (
    COLOUR_WEIGHTS,
    COLOURS,
    RATE,
    SCENE_WEIGHTS,
    SCENES,
    WIDTH,
    Actor,
    Camera,
    Plan,
    Thing,
    fill_hands,
    free_arms,
    make_camera,
    make_segment,
    make_things,
    person,
    pick,
)

#: The classes by their few-shot split, the same in every world: none is in two. A small world has the first of each.
TRAIN = (
    *("walk", "run", "squat", "bow", "dance", "push", "juggle", "jack", "stand", "punch", "pray"),
    *("point", "salute", "exercise", "pull", "catch", "lower", "play", "lunge", "flap", "swim", "conduct"),
)
VAL = ("wave", "lift", "hop", "read")
TEST = ("jump", "sit", "throw", "clap", "drink", "kick", "spin", "crawl", "march", "stretch")
FEW_SHOT = {"train": TRAIN, "val": VAL, "test": TEST}
ORDER = tuple(KNOWN)
#: Held for no reason, these would look like actions that they belong to: reading, playing, drinking, throwing.
TELLING = frozenset(action.prop for action in KNOWN.values() if action.prop)
#: size -> classes of each few-shot split, clips of a class, groups of a class
SIZES = {"tiny": ((8, 3, 5), 4, 3), "small": ((22, 4, 10), 8, 4), "medium": ((22, 4, 10), 16, 5), "large": ((22, 4, 10), 40, 10)}
#: Plans of clips are numbered from here, so that none has the sound of another world's video.
FIRST_PLAN, CLASS_PLANS, GROUP_PLANS = 2_000_000, 100_000, 1_000
#: What the plain setting's street looks like.
STREET = 7
#: Marks the generators of groups and of clips.
GROUP, CLIP = 141, 142


@dataclass(frozen=True)
class Clip:
    """Clip ``number`` (from 1) of group ``group`` (from 1) of an action; ``plan.actors[main]`` does it all the time."""

    action: str
    group: int
    number: int
    plan: Plan
    main: int

    @property
    def few_shot(self) -> str:
        """The few-shot split of its class."""
        return next(split for split, names in FEW_SHOT.items() if self.action in names)


def title(action: str) -> str:
    """How people call it: ``"sitting down"``."""
    return KNOWN[action].gerund


def camel(action: str) -> str:
    """Its name as UCF101 and THUMOS14 write them: ``"SittingDown"``."""
    return "".join(word.capitalize() for word in title(action).split())


def classes(size: str, shown: Shown = EVERYTHING) -> list[str]:
    """The actions of a world of that size, in the order of their names. Raises ConfigError for one that nobody knows."""
    for name in shown.actions:
        if name not in KNOWN:
            raise ConfigError(f"nobody in the embedded world knows how to {name!r}", hint=nearest(name, ORDER))
    counts = SIZES[size][0]
    return sorted(shown.actions or (name for names, count in zip(FEW_SHOT.values(), counts) for name in names[:count]))


def groups(size: str, shown: Shown = EVERYTHING) -> list[int]:
    """How many clips each group of a class has: as even as can be, the first ones more. Raises ConfigError for more groups than clips."""
    clips, number = shown.clips or SIZES[size][1], shown.groups or SIZES[size][2]
    if number > clips:
        raise ConfigError(f"{number} groups have no clip each where a class has {clips}", hint=f"--set world.clips={number}")
    return [clips // number + (group < clips % number) for group in range(number)]


def make_clips(seed: int, size: str, shown: Shown = EVERYTHING) -> Iterator[Clip]:
    """Every clip of a world, by class, group and number. None depends on which other actions are shown."""
    plain = shown.setting == "plain"
    for action in classes(size, shown):
        for group, count in enumerate(groups(size, shown), 1):
            cast = (_alone if plain else _cast)(seed, action, group)
            for number in range(1, count + 1):
                clip = _clip(seed, cast, action, group, number)
                yield _stilled(clip) if plain else clip


@dataclass(frozen=True)
class _Cast:
    """What the clips of a group share. The first of ``people`` is the main person, ``along`` do the same."""

    scene: str
    night: bool
    texture: int
    people: tuple[Actor, ...]
    along: tuple[bool, ...]
    things: tuple[Thing, ...]


def _cast(seed: int, action: str, group: int) -> _Cast:
    rng = np.random.default_rng([seed, GROUP, ORDER.index(action), group])
    scene, night, texture = pick(rng, SCENES, SCENE_WEIGHTS), bool(rng.random() < 0.3), int(rng.integers(1 << 31))
    count = int(rng.choice(3, p=[0.55, 0.3, 0.15])) + 1
    height = (84.0, 77.0, 71.0)[count - 1] * rng.uniform(0.9, 1.06)
    weights = np.array(COLOUR_WEIGHTS) / sum(COLOUR_WEIGHTS)
    shirts = [COLOURS[i] for i in rng.choice(len(COLOURS), count, replace=False, p=weights)]
    people = tuple(person(rng, 0.0, float(height), shirt) for shirt in shirts)
    along = (True, *(bool(rng.random() < 0.4) for _ in people[1:]))
    for who, does in zip(people, along):
        if who.holds in TELLING or (does and (KNOWN[action].prop or KNOWN[action].arms > free_arms(who.holds))):
            who.holds = ""
    users = [dataclasses.replace(who, holds=KNOWN[action].prop or who.holds) for who in people]
    return _Cast(scene, night, texture, people, along, tuple(make_things(rng, users, float(height))))


def _alone(seed: int, action: str, group: int) -> _Cast:
    """Somebody with free hands in the street, by day, of which every clip shows the same part."""
    rng = np.random.default_rng([seed, GROUP, ORDER.index(action), group])
    height = float(84.0 * rng.uniform(0.9, 1.06))
    shirt = COLOURS[int(rng.choice(len(COLOURS), p=np.array(COLOUR_WEIGHTS) / sum(COLOUR_WEIGHTS)))]
    who = dataclasses.replace(person(rng, 0.0, height, shirt), holds="")
    return _Cast("street", False, STREET, (who,), (True,), ())


def _stilled(clip: Clip) -> Clip:
    """The same clip before a camera that does not move."""
    return dataclasses.replace(clip, plan=dataclasses.replace(clip.plan, camera=still(clip.plan.camera)))


def still(camera: Camera) -> Camera:
    """The same camera, which does not move."""
    return dataclasses.replace(camera, move="still", dx=0.0, dy=0.0, zoom=1.0, zoom_end=1.0, shake=0.0)


def _clip(seed: int, cast: _Cast, action: str, group: int, number: int) -> Clip:
    place = ORDER.index(action)
    rng = np.random.default_rng([seed, CLIP, place, group, number])
    frames = int(rng.integers(36, 67))
    actors = [
        dataclasses.replace(who, x=x, y=who.y + float(rng.uniform(-1.5, 1.5)), phase=round(float(rng.uniform(0, 1)), 3), segments=[])
        for who, x in zip(cast.people, _places(rng, action, len(cast.people)))
    ]
    for actor, does in zip(actors, cast.along):
        actor.segments = [make_segment(rng, actor, action if does else "idle", 0.0, round(frames / RATE, 3), actor.x)]
        fill_hands(actor)
    main, actors = actors[0], sorted(actors, key=lambda actor: actor.y)
    found = next(i for i, actor in enumerate(actors) if actor is main)
    camera = make_camera(rng, actors)
    camera.target = found
    index = FIRST_PLAN + place * CLASS_PLANS + group * GROUP_PLANS + number
    things = [dataclasses.replace(thing) for thing in cast.things]
    return Clip(action, group, number, Plan(index, frames, cast.scene, cast.night, cast.texture, actors, things, camera), found)


def _places(rng: np.random.Generator, action: str, count: int) -> list[float]:
    """Where people stand; who is alone and goes somewhere begins anywhere."""
    if count == 1:
        return [float(rng.uniform(16, WIDTH - 16) if KNOWN[action].speed else rng.uniform(46, WIDTH - 46))]
    slots = (np.arange(count) + 0.5) * (WIDTH - 16) / count + 8 + rng.uniform(-7, 7, count)
    rng.shuffle(slots)
    return [float(x) for x in slots]
