"""Videos of one class that is seen and heard: who plays, sings, walks or jumps, where, with what, and what that sounds like.

A class is a look and a sound. Several classes share a look (walking on gravel, walking on snow), several a sound (walking and running on
gravel), so that neither picture nor sound alone tells all of them. A *group* is the same person in the same place, as in
:mod:`world.clips`; its clips differ in camera, pace and length.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from cache.errors import ConfigError, nearest
from world import noises
from world.actions import KNOWN
from world.clips import still
from world.layout import EVERYTHING, Shown
from world.noises import Cue, Floats, Samples
from world.plan import (
    AUDIO_RATE,
    COLOUR_WEIGHTS,
    COLOURS,
    RATE,
    WIDTH,
    Actor,
    Plan,
    Segment,
    Thing,
    fill_hands,
    make_camera,
    make_segment,
    make_things,
    person,
    pick,
)
from world.sound import AMBIENCE, ambience


@dataclass(frozen=True)
class Sounding:
    """A class: what the person does, and how that sounds (:data:`world.noises.KINDS`); where, the usual place first; what they hold,
    what stands by them."""

    name: str
    action: str
    sound: str
    places: tuple[str, ...]
    holds: str = ""
    thing: str = ""


#: A small world has the first of them.
CLASSES: tuple[Sounding, ...] = (
    Sounding("strumming guitar", "play", "strings", ("stage", "bedroom", "park"), "guitar"),
    Sounding("singing with guitar", "play", "singing", ("stage", "park", "street"), "guitar"),
    Sounding("playing drums", "conduct", "drum", ("stage", "street", "classroom"), thing="barrel"),
    Sounding("dancing to drums", "dance", "drum", ("stage", "beach", "park")),
    Sounding("walking on gravel", "walk", "gravel", ("park", "desert", "street")),
    Sounding("running on gravel", "run", "gravel", ("park", "desert", "beach")),
    Sounding("clapping", "clap", "clapping", ("classroom", "stage", "kitchen")),
    Sounding("singing and clapping", "clap", "singing", ("stage", "street", "classroom")),
    Sounding("playing steel drum", "conduct", "bells", ("beach", "stage", "street"), thing="barrel"),
    Sounding("dancing to guitar", "dance", "strings", ("stage", "bedroom", "street")),
    Sounding("walking on snow", "walk", "snow", ("mountain", "park", "street")),
    Sounding("running on snow", "run", "snow", ("mountain", "park")),
    Sounding("skipping rope", "jump", "whip", ("park", "street", "classroom")),
    Sounding("bouncing on trampoline", "jump", "boing", ("park", "beach", "bedroom")),
    Sounding("pushing crate", "push", "scrape", ("kitchen", "street", "stage")),
    Sounding("pushing cart", "push", "squeak", ("street", "park", "classroom")),
    Sounding("crawling", "crawl", "scrape", ("kitchen", "stage", "bedroom")),
    Sounding("waving flag", "wave", "cheering", ("street", "stage", "beach"), "flag"),
    Sounding("sword fighting", "punch", "clang", ("desert", "stage", "mountain"), "sword"),
    Sounding("walking dog", "walk", "barking", ("park", "street", "beach"), thing="dog"),
    Sounding("jumping jacks", "jack", "clapping", ("bedroom", "park", "classroom")),
    Sounding("taking a bow", "bow", "cheering", ("stage", "classroom", "street")),
    Sounding("reading aloud", "read", "speech", ("bedroom", "classroom", "park"), "book"),
    Sounding("giving lecture", "point", "speech", ("classroom", "stage", "street")),
)
#: size -> classes, clips of a class, groups of a class
SIZES = {"tiny": (8, 4, 4), "small": (24, 12, 12), "medium": (24, 32, 16), "large": (24, 80, 40)}
#: The last of so many groups are for validation.
VAL_OF = 4
#: Seconds of a clip, in frames: longer than the four seconds that are looked at.
FRAMES = (49, 61)
#: How often a class is in its usual place, and in the others.
OFTEN = (3, 1, 1, 1)
#: What belongs to a class, and does not stand or lie about elsewhere.
TELLING = frozenset({"dog", "cat", "barrel", "box", "ball"})
#: Times a second (at rate 1) that an action makes its sound; those that count their repetitions make it at this part of each.
PACE = {
    "play": 1.7,
    "conduct": 3.0,
    "dance": 2.0,
    "walk": 2.0,
    "run": 3.4,
    "clap": 2.2,
    "push": 2.0,
    "crawl": 1.8,
    "read": 4.2,
    "point": 4.2,
}
PART = {"jump": 0.82, "punch": 0.45, "jack": 0.5}
#: Sounds that do not come from the movement, and seconds from one sound to the next where the movement does not say.
LOOSE = frozenset({"barking", "cheering"})
ELSE = 1.1
#: How loud the class's sound is at its peak, at the least and the most, and that of the place in parts of the usual.
NEAR, AROUND = (0.04, 0.5), (0.8, 2.4)
#: Plans are numbered from here, so that none has the sound of another world's video.
FIRST_PLAN, CLASS_PLANS, GROUP_PLANS = 20_000_000, 100_000, 1_000
#: Marks the generators of groups, of clips and of their sounds.
GROUP, CLIP, SOUND = 151, 152, 153


@dataclass(frozen=True)
class SoundingClip:
    """Clip ``number`` (from 1) of group ``group`` (from 1) of a class; ``plan.actors[main]`` does and sounds all the time.

    ``plain``: it is as loud as any other.
    """

    kind: Sounding
    group: int
    number: int
    plan: Plan
    main: int
    plain: bool = False


@dataclass(frozen=True)
class _Cast:
    """What the clips of a group share; the first of ``people`` is the main person."""

    scene: str
    night: bool
    texture: int
    people: tuple[Actor, ...]
    things: tuple[Thing, ...]


def classes(size: str, shown: Shown = EVERYTHING) -> list[int]:
    """The classes of a world of that size, by their places in :data:`CLASSES`. Raises ConfigError for a name that no class has."""
    names = [kind.name for kind in CLASSES]
    for name in shown.actions:
        if name not in names:
            raise ConfigError(f"no class that is seen and heard is called {name!r}", hint=nearest(name, names))
    return sorted(names.index(name) for name in shown.actions or names[: SIZES[size][0]])


def make_sounding(seed: int, size: str, shown: Shown = EVERYTHING) -> Iterator[SoundingClip]:
    """Every clip of a world, by class, group and number. None depends on which other classes are shown."""
    _, clips, groups = SIZES[size]
    plain = shown.setting == "plain"
    for place in classes(size, shown):
        for group in range(1, groups + 1):
            cast = (_alone if plain else _cast)(seed, place, group)
            for number in range(1, clips // groups + 1):
                clip = _clip(seed, cast, place, CLASSES[place], group, number)
                yield _stilled(clip) if plain else clip


def held_out(group: int, size: str) -> bool:
    """Whether a group is for validation."""
    groups = SIZES[size][2]
    return group > groups - groups // VAL_OF


def _cast(seed: int, place: int, group: int) -> _Cast:
    rng = np.random.default_rng([seed, GROUP, place, group])
    kind = CLASSES[place]
    scene = pick(rng, kind.places, OFTEN[: len(kind.places)])
    night, texture = bool(rng.random() < 0.2), int(rng.integers(1 << 31))
    count = int(rng.choice(2, p=[0.75, 0.25])) + 1
    height = (96.0, 88.0)[count - 1] * float(rng.uniform(0.92, 1.06))
    weights = np.array(COLOUR_WEIGHTS) / sum(COLOUR_WEIGHTS)
    shirts = [COLOURS[i] for i in rng.choice(len(COLOURS), count, replace=False, p=weights)]
    people = [person(rng, 0.0, height, shirt) for shirt in shirts]
    for who in people:
        who.holds = ""
    people[0].holds = kind.holds
    things = [thing for thing in make_things(rng, people, height) if thing.name not in TELLING]
    return _Cast(scene, night, texture, tuple(people), tuple(things))


def _alone(seed: int, place: int, group: int) -> _Cast:
    """The main person of a group alone, by day, in the usual place of the class."""
    cast = _cast(seed, place, group)
    return dataclasses.replace(cast, scene=CLASSES[place].places[0], night=False, people=cast.people[:1], things=())


def _stilled(clip: SoundingClip) -> SoundingClip:
    """The same clip before a camera that does not move, as loud as any other."""
    return dataclasses.replace(clip, plan=dataclasses.replace(clip.plan, camera=still(clip.plan.camera)), plain=True)


def _clip(seed: int, cast: _Cast, place: int, kind: Sounding, group: int, number: int) -> SoundingClip:
    rng = np.random.default_rng([seed, CLIP, place, group, number])
    frames = int(rng.integers(*FRAMES))
    seconds = round(frames / RATE, 3)
    edge = 24 if KNOWN[kind.action].speed else 60
    places = [float(rng.uniform(edge, WIDTH - edge)), float(rng.choice([22.0, WIDTH - 22.0]))]
    actors = [dataclasses.replace(who, x=x, phase=round(float(rng.uniform(0, 1)), 3), segments=[]) for who, x in zip(cast.people, places)]
    for actor, action in zip(actors, (kind.action, "idle")):
        actor.segments = [make_segment(rng, actor, action, 0.0, seconds, actor.x)]
        fill_hands(actor)
    main, actors = actors[0], sorted(actors, key=lambda actor: actor.y)
    found = next(i for i, actor in enumerate(actors) if actor is main)
    camera = make_camera(rng, actors)
    camera.target = found
    things = [dataclasses.replace(thing) for thing in cast.things] + _beside(rng, kind, main)
    index = FIRST_PLAN + place * CLASS_PLANS + group * GROUP_PLANS + number
    return SoundingClip(kind, group, number, Plan(index, frames, cast.scene, cast.night, cast.texture, actors, things, camera), found)


def _beside(rng: np.random.Generator, kind: Sounding, main: Actor) -> list[Thing]:
    """What the class has beside the person: before them, or going along with them."""
    if not kind.thing:
        return []
    (segment,) = main.segments
    drift = segment.travel / (segment.end - segment.start)
    aside = 0.3 * main.height * (1 if drift > 0 else -1) if drift else 0.0
    return [Thing(kind.thing, round(main.x + aside, 2), round(main.y + 3, 2), round(main.height, 2), pick(rng, COLOURS), round(drift, 2))]


def events(segment: Segment, sound: str, rng: np.random.Generator) -> Floats:
    """The seconds at which an action makes its sound: with the movement if it comes from it, else about once a second."""
    start, length = segment.start, segment.end - segment.start
    if segment.action in PART:
        return start + length * (np.arange(segment.reps) + PART[segment.action]) / segment.reps
    follows = segment.action in PACE and sound not in LOOSE
    step = 1 / (PACE[segment.action] * segment.rate) if follows else ELSE * float(rng.uniform(0.8, 1.2))
    return np.arange(start + float(rng.uniform(0.2, 0.8)) * step, segment.end, step)


def soundtrack(clip: SoundingClip, seed: int) -> Samples:
    """Mono samples (N,) in -1..1 at ``AUDIO_RATE``, as long as the video: the class's sound over that of the place.

    How high it is belongs to the group, how loud to the clip; in the plain setting all are loud, before a place that is quiet.
    """
    plan = clip.plan
    group = np.random.default_rng([seed, SOUND, plan.index // GROUP_PLANS])
    rng = np.random.default_rng([seed, SOUND, plan.index])
    n = round(plan.seconds * AUDIO_RATE)
    pitch = float(2 ** group.uniform(-0.4, 0.4))
    cue = Cue(events(plan.actors[clip.main].segments[0], clip.kind.sound, rng), pitch, n, AUDIO_RATE, rng)
    loud, alone = float(NEAR[0] * (NEAR[1] / NEAR[0]) ** rng.random()), noises.make(clip.kind.sound, cue)
    near = (NEAR[1] if clip.plain else loud) * alone
    around = (AROUND[0] if clip.plain else float(rng.uniform(*AROUND))) * ambience(AMBIENCE[plan.scene], rng, n)
    return np.tanh(near + around).astype(np.float32)


def heard(clip: SoundingClip) -> dict[str, Any]:
    """Ground truth in the form of :func:`world.sound.sound_class`."""
    return {"ambience": AMBIENCE[clip.plan.scene], "events": [clip.kind.sound]}
