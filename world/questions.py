"""Questions and answers about a video, in the five types of the real sets: what, who, how, when, where.

Every answer is one word and follows from the plan. People are told apart by kind, by the colour they wear, by where they
stand or by what they hold, whichever names one person only; a question is asked only if it has exactly one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from world.actions import ACTIONS
from world.plan import WIDTH, Actor, Plan, Segment, pick
from world.render import Film

#: how often a question of each type is asked
TYPES: dict[str, float] = {"what": 0.52, "who": 0.24, "how": 0.11, "when": 0.06, "where": 0.07}
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight")
#: pixels by which one must stand apart to be "on the left"
APART = 16.0


@dataclass(frozen=True)
class Question:
    """``family`` names the kind of knowledge that the answer needs (docs/WORLD.md)."""

    family: str
    question: str
    answer: str


class Asker:
    """What can be said about one video."""

    def __init__(self, film: Film, rng: np.random.Generator) -> None:
        self.plan: Plan = film.plan
        self.actors: list[Actor] = film.plan.actors
        self.rng = rng
        middle = [film.shots.project(m.flat("pelvis"))[:, 0] for m in film.actors]
        self.x = [float(np.mean(x)) for x in middle]
        self.place = f"{'on' if film.plan.scene in ('beach', 'stage', 'mountain') else 'in'} the {film.plan.scene}"
        self.in_view = [bool(np.mean((x > 6) & (x < WIDTH - 6)) > 0.8) for x in middle]
        n = film.plan.frames
        self.thing_x = [
            float(np.mean(film.shots.project(np.stack([t.x + t.drift * np.arange(n) / 12, np.full(n, t.y)], -1))[:, 0]))
            for t in film.plan.things
        ]

    def one_of(self, *phrases: str) -> str:
        return phrases[int(self.rng.integers(len(phrases)))]

    def names(self, i: int) -> list[str]:
        """Every way to name person ``i`` that fits nobody else."""
        me = self.actors[i]
        alike = [j for j, a in enumerate(self.actors) if a.kind == me.kind]
        names: list[str] = []
        if len(alike) == 1:
            names += [f"the {me.kind}", f"a {me.kind}", f"the {me.kind}"]
        if len(self.actors) == 1:
            return names
        shirt = me.shirt
        names += [f"the {me.kind} in {shirt}", f"the person in the {shirt} shirt"] if len(alike) == 1 else [f"the {me.kind} in {shirt}"] * 2
        for side, order in (("left", 1), ("right", -1)):
            if all(order * (self.x[j] - self.x[i]) > APART for j in range(len(self.x)) if j != i):
                names.append(f"the {me.kind if self.rng.random() < 0.5 else 'person'} on the {side}")
        if me.holds and sum(a.holds == me.holds for a in self.actors) == 1:
            names.append(f"the {me.kind} with the {me.holds}")
        if me.hat and sum(bool(a.hat) and a.kind == me.kind for a in self.actors) == 1:
            names.append(f"the {me.kind} with the hat")
        return names

    def name(self, i: int) -> str:
        return self.one_of(*self.names(i))

    def name_without_thing(self, i: int, clothes: bool = True) -> str:
        """A name that doesn't give away what the person holds (nor, unless ``clothes``, wears); ``""`` if there is none."""
        names = [n for n in self.names(i) if " with the " not in n and (clothes or " in " not in n)]
        return self.one_of(*names) if names else ""

    def name_by_looks(self, i: int) -> str:
        """A name that doesn't say where the person stands."""
        return self.one_of(*[n for n in self.names(i) if " on the " not in n])

    def seen(self) -> list[int]:
        return [i for i, ok in enumerate(self.in_view) if ok]

    def doing(self, i: int) -> list[Segment]:
        return [s for s in self.actors[i].segments if s.action in ACTIONS]

    def doers(self, action: str) -> list[int]:
        return [i for i in range(len(self.actors)) if any(s.action == action for s in self.doing(i))]


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _whats_doing(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        if len(q.actors[i].segments) == 1 and q.doing(i):
            action = q.doing(i)[0].action
            yield f"what is {q.name(i)} doing?", action
            yield f"what is {q.name(i)} doing?", action
            yield q.one_of(f"what does {q.name(i)} do?", f"what is {q.name(i)} doing {q.place}?"), action


def _whats_order(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        did = q.doing(i)
        if len(did) < 2:
            continue
        who, n = q.name(i), len(did)
        yield (
            q.one_of(f"what does {who} do first?", f"what is {who} doing at the beginning?", f"what does {who} do at first?"),
            did[0].action,
        )
        yield q.one_of(f"what does {who} do last?", f"what is {who} doing at the end?", f"what does {who} finally do?"), did[-1].action
        k = int(q.rng.integers(n - 1))
        yield f"what does {who} do after {ACTIONS[did[k].action].gerund}?", did[k + 1].action
        yield f"what does {who} do before {ACTIONS[did[k + 1].action].gerund}?", did[k].action


def _whats_shared(q: Asker) -> Iterator[tuple[str, str]]:
    everyone = [{s.action for s in q.doing(i)} for i in range(len(q.actors))]
    if len(everyone) > 1 and all(len(a) == 1 for a in everyone) and len(set.union(*everyone)) == 1:
        yield q.one_of("what are the people doing?", f"what are {NUMBERS[len(everyone)]} people doing?"), next(iter(everyone[0]))


def _whats_held(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        if q.actors[i].holds:
            who = q.name_without_thing(i)
            yield q.one_of(f"what is {who} holding?", f"what is {who} carrying?", f"what does {who} have?"), q.actors[i].holds


def _whats_colour(q: Asker) -> Iterator[tuple[str, str]]:
    colour = q.one_of("color", "colour", "color")
    for i in q.seen():
        me = q.actors[i]
        who = q.name_without_thing(i, clothes=False)
        if who:
            yield q.one_of(f"what {colour} is the shirt of {who}?", f"what {colour} does {who} wear?"), me.shirt
            yield f"what {colour} {'is the skirt' if me.skirt else 'are the pants'} of {who}?", me.bottom
            if me.hat:
                yield q.one_of(f"what {colour} is the hat of {who}?", f"what is the {colour} of the hat that {who} wears?"), me.hat
    things = [(a.holds, a.holds_colour) for a in q.actors if a.holds] + [
        (a.prop, a.prop_colour) for a in q.actors if a.prop in ("box", "ball", "chair")
    ]
    things += [(t.name, t.colour) for t in q.plan.things if t.name not in ("dog", "cat")]
    for name, tint in things:
        if sum(name == n for n, _ in things) == 1:
            yield q.one_of(f"what {colour} is the {name}?", f"what is the {colour} of the {name}?"), tint


def _whats_beside(q: Asker) -> Iterator[tuple[str, str]]:
    things = q.plan.things
    for k, thing in enumerate(things):
        if not 8 < q.thing_x[k] < WIDTH - 8:
            continue
        if thing.name in ("dog", "cat"):
            yield q.one_of("what animal is in the video?", "what animal is there?"), thing.name
            if thing.drift:
                yield q.one_of("what is running past?", "what is passing by?"), thing.name
            continue
        if len(things) == 1:
            near = [i for i in q.seen() if abs(q.x[i] - q.thing_x[k]) < 34]
            if len(near) == 1:
                yield q.one_of(f"what is next to {q.name(near[0])}?", f"what is beside {q.name(near[0])}?"), thing.name
            yield q.one_of("what is standing on the ground?", "what can be seen beside the people?"), thing.name


def _whats_worn(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        me = q.actors[i]
        if me.kind in ("woman", "girl"):
            yield f"what is {q.name(i)} wearing?", "skirt" if me.skirt else "pants"


def _whos_doing(q: Asker) -> Iterator[tuple[str, str]]:
    for action, facts in ACTIONS.items():
        doers = q.doers(action)
        kinds = {q.actors[i].kind for i in doers}
        if doers and len(kinds) == 1 and all(q.in_view[i] for i in doers):
            kind = kinds.pop()
            yield f"who is {facts.gerund}?", kind
            yield q.one_of(f"who {facts.third}?", f"who is {facts.gerund} {q.place}?"), kind


def _whos_order(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        did = q.doing(i)
        if len(did) < 2 or len(q.actors) < 2:
            continue
        a, b = ACTIONS[did[0].action], ACTIONS[did[1].action]
        same = [j for j in range(len(q.actors)) if j != i and {s.action for s in q.doing(j)} >= {did[0].action, did[1].action}]
        if not same:
            if q.rng.random() < 0.5:
                yield f"who {b.third} after {a.gerund}?", q.actors[i].kind
            else:
                yield f"who {a.third} before {b.gerund}?", q.actors[i].kind


def _whos_holding(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        me = q.actors[i]
        if me.holds and sum(a.holds == me.holds for a in q.actors) == 1:
            yield (
                q.one_of(f"who is holding {_article(me.holds)}?", f"who has {_article(me.holds)}?", f"who is carrying the {me.holds}?"),
                me.kind,
            )


def _whos_there(q: Asker) -> Iterator[tuple[str, str]]:
    several = len(q.actors) > 1
    for i in q.seen():
        me = q.actors[i]
        if several:
            yield q.one_of(f"who is wearing a {me.shirt} shirt?", f"who is in {me.shirt}?", f"who wears {me.shirt}?"), me.kind
            for side, order in (("left", 1), ("right", -1)):
                if all(order * (q.x[j] - q.x[i]) > APART for j in range(len(q.x)) if j != i):
                    yield q.one_of(f"who is on the {side}?", f"who is standing on the {side}?", f"who is on the {side} side?"), me.kind
        else:
            yield q.one_of("who is in the video?", f"who is {q.place}?"), me.kind
        if me.hat and sum(bool(a.hat) for a in q.actors) == 1:
            yield q.one_of("who is wearing a hat?", f"who has a {me.hat} hat?"), me.kind


def _hows_many_people(q: Asker) -> Iterator[tuple[str, str]]:
    if all(q.in_view):
        n = NUMBERS[len(q.actors)]
        yield q.one_of("how many people are there?", "how many people are in the video?", f"how many people are {q.place}?"), n
        hats = sum(bool(a.hat) for a in q.actors)
        if hats:
            yield q.one_of("how many people are wearing hats?", "how many hats are there?"), NUMBERS[hats]


def _hows_many_doing(q: Asker) -> Iterator[tuple[str, str]]:
    for action, facts in ACTIONS.items():
        doers = q.doers(action)
        often = len(doers) > 1 or q.rng.random() < 0.4  # else "one" would nearly always be right
        if doers and often and len(q.actors) > 1 and all(q.in_view[i] for i in doers):
            yield f"how many people are {facts.gerund}?", NUMBERS[len(doers)]


def _hows_many_times(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        for s in q.doing(i):
            if ACTIONS[s.action].period and s.reps < len(NUMBERS):
                yield f"how many times does {q.name(i)} {s.action}?", NUMBERS[s.reps]


def _whens_day(q: Asker) -> Iterator[tuple[str, str]]:
    answer = "night" if q.plan.night else "day"
    yield q.one_of("when was the video taken?", "when does this happen?", "when is this?"), answer
    for i in q.seen():
        for s in q.doing(i):
            yield f"when is {q.name(i)} {ACTIONS[s.action].gerund}?", answer


def _whens_order(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        did = q.doing(i)
        if len(did) < 2:
            continue
        words = ("first", "last") if len(did) == 2 else ("first", "second", "last")
        for s, word in zip(did, words):
            verb = ACTIONS[s.action].third
            base = s.action + verb.removeprefix(verb.split()[0])
            yield q.one_of(f"when in the video does {q.name(i)} {base}?", f"when does {q.name(i)} {base}, first or last?"), word
        a, b = (0, 1) if q.rng.random() < 0.5 else (1, 0)
        base = did[a].action + ACTIONS[did[a].action].third.removeprefix(ACTIONS[did[a].action].third.split()[0])
        yield f"when does {q.name(i)} {base}, before or after {ACTIONS[did[b].action].gerund}?", "before" if a < b else "after"


def _wheres_scene(q: Asker) -> Iterator[tuple[str, str]]:
    for i in q.seen():
        for s in q.doing(i):
            yield f"where is {q.name(i)} {ACTIONS[s.action].gerund}?", q.plan.scene
    yield q.one_of("where are the people?" if len(q.actors) > 1 else "where is the person?", "where does this happen?"), q.plan.scene


def _wheres_side(q: Asker) -> Iterator[tuple[str, str]]:
    for k, thing in enumerate(q.plan.things):
        if not thing.drift and abs(q.thing_x[k] - WIDTH / 2) > 20:
            yield f"where is the {thing.name}?", "left" if q.thing_x[k] < WIDTH / 2 else "right"
    for i in q.seen():
        me = q.actors[i]
        for j in q.seen():
            if i < j and abs(q.x[i] - q.x[j]) > 24:
                yield f"where is {q.name_by_looks(i)}, seen from {q.name_by_looks(j)}?", "left" if q.x[i] < q.x[j] else "right"
        for s in q.doing(i):
            if abs(s.travel) > 12:
                verb = s.action if s.action not in ("push", "pull") else f"{s.action} the {me.prop}"
                yield f"where does {q.name_by_looks(i)} {verb} to?", "left" if s.travel < 0 else "right"


FAMILIES: dict[str, list[tuple[str, float, Callable[[Asker], Iterator[tuple[str, str]]]]]] = {
    "what": [
        ("action", 3.8, _whats_doing),
        ("order", 3.2, _whats_order),
        ("shared", 1.2, _whats_shared),
        ("held", 1.5, _whats_held),
        ("colour", 1.1, _whats_colour),
        ("beside", 1.0, _whats_beside),
        ("worn", 0.3, _whats_worn),
    ],
    "who": [("doing", 2.4, _whos_doing), ("who-order", 1.2, _whos_order), ("holding", 0.8, _whos_holding), ("looks", 1.0, _whos_there)],
    "how": [("people", 0.8, _hows_many_people), ("crowd", 1.0, _hows_many_doing), ("times", 1.4, _hows_many_times)],
    "when": [("day", 1.0, _whens_day), ("when-order", 1.4, _whens_order)],
    "where": [("scene", 1.3, _wheres_scene), ("side", 1.0, _wheres_side)],
}


def ask(film: Film, seed: int) -> list[Question]:
    """Eight to twelve different questions about the video, a function of (seed, plan)."""
    rng = np.random.default_rng([seed, film.plan.index, 7])
    asker = Asker(film, rng)
    pool = {kind: {name: list(make(asker)) for name, _, make in makers} for kind, makers in FAMILIES.items()}
    wanted = int(rng.integers(8, 13))
    asked: dict[str, Question] = {}
    for _ in range(4 * wanted):
        kind = pick(rng, list(TYPES), list(TYPES.values()))
        families = [(name, weight) for name, weight, _ in FAMILIES[kind] if pool[kind][name]]
        if not families:
            continue
        family = pick(rng, [f for f, _ in families], [w for _, w in families])
        text, answer = pool[kind][family].pop(int(rng.integers(len(pool[kind][family]))))
        asked.setdefault(text, Question(family, text, answer))
        if len(asked) == wanted:
            break
    return list(asked.values())
