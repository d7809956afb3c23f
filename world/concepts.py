"""What a programme is about, as labels: places, people, actions, things, sounds, and actions in places (the long tail).

A label is given for what is really shown: an action or a thing from :data:`SHOWN` steps on, however short beside the whole; a place, a
kind of person or a sound if it takes a good part of the video, as a description of the whole would name it.
"""

from __future__ import annotations

from collections import Counter

from world.actions import ACTIONS
from world.plan import AROUND, HELD, KINDS, SCENES
from world.programme import STEP_SECONDS, Programme, Shot
from world.sound import HEARD, SOUNDS

#: steps from which on an action or a thing counts
SHOWN = 3
#: share of the video from which on a place, a kind of person or a sound counts; an action in its place
SHARE, TOGETHER = 0.25, 0.2
THINGS = tuple(sorted({*HELD, *AROUND}))

#: concept -> the vertical under which the vocabulary lists it
VERTICALS: dict[str, str] = {
    **dict.fromkeys(SCENES, "Places"),
    "night": "Places",
    **dict.fromkeys(KINDS, "People"),
    "crowd": "People",
    **{action.gerund: "Actions" for action in ACTIONS.values()},
    **{f"{thing} (thing)": "Things" for thing in THINGS},
    **{f"{sound} (sound)": "Sounds" for sound in sorted(HEARD)},
    **{f"{action.gerund}, {scene}": "Actions" for action in ACTIONS.values() for scene in SCENES},
}
CONCEPTS = tuple(VERTICALS)


def concepts(programme: Programme) -> list[str]:
    """The names of what is to be seen and heard, in the order of :data:`CONCEPTS`."""
    some, much, both = Counter[str](), Counter[str](), Counter[str]()
    for shot in programme.shots:
        _count(shot, some, much, both)
    found = {name for name, steps in some.items() if steps >= SHOWN}
    found |= {name for name, steps in much.items() if steps >= SHARE * programme.steps}
    found |= {name for name, steps in both.items() if steps >= TOGETHER * programme.steps}
    return [name for name in CONCEPTS if name in found]


def _count(shot: Shot, some: Counter[str], much: Counter[str], both: Counter[str]) -> None:
    """Add a shot's steps to what needs a few of them, a share, and a share together."""
    plan, (start, end) = shot.plan, shot.interval
    whole = {plan.scene, *(actor.kind for actor in plan.actors)}
    whole |= {"night"} if plan.night else set()
    whole |= {"crowd"} if len(plan.actors) > 2 else set()
    much.update(dict.fromkeys(whole, shot.steps))
    things = {thing.name for thing in plan.things} | {name for actor in plan.actors for name in (actor.holds, actor.prop)}
    some.update({f"{name} (thing)": shot.steps for name in things if name in THINGS})
    longest, heard = Counter[str](), Counter[str]()
    for actor in plan.actors:
        for segment in actor.segments:
            steps = round((min(end, segment.end) - max(start, segment.start)) / STEP_SECONDS)
            if steps > 0 and segment.action in ACTIONS:
                longest[segment.action] = max(longest[segment.action], steps)
                sound = SOUNDS.get(segment.action, "")
                heard[sound] = max(heard[sound], steps)
    for action, steps in longest.items():
        some[ACTIONS[action].gerund] += steps
        both[f"{ACTIONS[action].gerund}, {plan.scene}"] += steps
    much.update({f"{sound} (sound)": steps for sound, steps in heard.items() if sound})
