"""Two sides brought together: what differs between them, their scores side by side, their items. The content of ``compare --json``."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cache.errors import KdpipeError
from cache.record import Record
from cache.store import Store
from models.evaluation.record import Column, Evaluation, Row
from models.evaluation.statistics import Interval, interval, paired
from pipeline.compare.changes import Change, changes
from pipeline.compare.items import compare_items
from pipeline.compare.sides import Scored, Side, inputs_of

#: Two evaluations of one replicate, the first side's and the second's.
Pair = tuple[Scored, Scored]


@dataclass(frozen=True)
class Match:
    """A network of the first side and what is its counterpart on the second: ``pairs`` of evaluations, and its name in each."""

    first: str
    second: str
    pairs: tuple[Pair, ...]

    @property
    def rows(self) -> list[tuple[Row, Row]]:
        """What both evaluations of each pair say of it."""
        return [(_row(a.evaluation, self.first), _row(b.evaluation, self.second)) for a, b in self.pairs]

    @property
    def label(self) -> str:
        """What it is called; of two networks, both."""
        one, other = self.rows[0]
        return str(one.label) if one.label == other.label else f"{one.label} → {other.label}"

    @property
    def same(self) -> bool:
        """Whether both sides mean one and the same network, with the same scores."""
        read = [(inputs_of(a.record, self.first), inputs_of(b.record, self.second)) for a, b in self.pairs]
        return all(a and sorted(a.values()) == sorted(b.values()) for a, b in read) and all(a.scores == b.scores for a, b in self.rows)


def compare(store: Store, first: Side, second: Side, *, level: float = 0.95, limit: int = 10, only: str = "") -> dict[str, Any]:
    """Everything that can be said of two sides, as JSON can hold it; fractions, not percent, and differences are second − first.

    ``limit`` items are shown of each kind of change, and ``only`` one network where one is named. Raises KdpipeError if the two are the
    same result, or measure different things.
    """
    if {record.digest for record in first.results} == {record.digest for record in second.results}:
        raise KdpipeError(f"{first.name} and {second.name} are the same result", hint="--set-b KEY=VALUE gives the second other settings")
    pairs, alone = _replicates(first.scored, second.scored)
    matches = _matches(pairs, only)
    return {
        "a": _side(first),
        "b": _side(second),
        "level": level,
        "changes": [_change(change) for change in _changes(store, first, second, pairs)],
        "measured": _measured(pairs),
        "replicates": [{"seed": a.evaluation.seed, "fold": a.evaluation.fold} for a, _ in pairs],
        "columns": [dataclasses.asdict(column) for column in _columns(pairs)],
        "networks": _networks(store, [match for match in matches if not match.same], level, limit),
        "same": [match.label for match in matches if match.same],
        "notes": [*first.notes, *second.notes, *alone, *_nothing(first, second, pairs)],
    }


# -- which go together ----------------------------------------------------------------------------------------------------


def _replicates(first: Sequence[Scored], second: Sequence[Scored]) -> tuple[list[Pair], list[str]]:
    """Evaluations of the same seed and fold; one of each side whatever its seed. And what has no counterpart, in words."""
    a, b = ({(one.evaluation.seed, one.evaluation.fold): one for one in many} for many in (first, second))
    if len(a) == len(b) == 1:
        return [(next(iter(a.values())), next(iter(b.values())))], []
    common = [place for place in sorted(a) if place in b]
    alone = [
        f"{_place(place)} of {which} has no counterpart"
        for which, mine in (("A", a), ("B", b))
        for place in sorted(mine)
        if place not in common
    ]
    return [(a[place], b[place]) for place in common], alone if common or (a and b) else []


def _matches(pairs: Sequence[Pair], only: str) -> list[Match]:
    """Networks of the same name; or, of two trainings, these two."""
    if not pairs:
        return []
    a, b = pairs[0]
    others = {row.name for row in b.evaluation.networks}
    names = (
        [(a.network, b.network or a.network)]
        if a.network
        else [(name, b.network or name) for name in (row.name for row in a.evaluation.networks)]
    )
    if b.network and not a.network:
        names = [(b.network, b.network)]
    found = [(one, other) for one, other in names if other in others and (not only or only in (one, other))]
    if only and not found:
        known = ", ".join(dict.fromkeys(name for pair in names for name in pair))
        raise KdpipeError(f"there is no network '{only}' to compare", hint=f"one of {known}")
    return [Match(one, other, tuple(pairs)) for one, other in found]


def _changes(store: Store, first: Side, second: Side, pairs: Sequence[Pair]) -> list[Change]:
    """What differs between the results that were named; of trainings also how they were evaluated."""
    evaluated = [(a.record, b.record) for a, b in pairs]
    if not pairs or not any(one.network for pair in pairs for one in pair):
        named = evaluated or list(zip(first.results, second.results))
        return changes(store, named)
    named = [(_trained(first, a), _trained(second, b)) for a, b in pairs]
    return [*changes(store, named), *changes(store, evaluated, follow=False)]


def _trained(side: Side, scored: Scored) -> Record:
    """The training that an evaluation speaks of here."""
    mine = [record for record in side.results if record.object in inputs_of(scored.record, scored.network).values()]
    return mine[0] if mine else scored.record


# -- what they say --------------------------------------------------------------------------------------------------------


def _measured(pairs: Sequence[Pair]) -> dict[str, Any] | None:
    """What the scores are; None without any. Raises KdpipeError if the two sides do not measure the same thing."""
    if not pairs:
        return None
    a, b = pairs[0][0].evaluation, pairs[0][1].evaluation
    for what in ("task", "metric", "dataset", "split"):
        if getattr(a, what) != getattr(b, what):
            one, other = getattr(a, what), getattr(b, what)
            raise KdpipeError(f"A and B have no score in common: their {what} is {one} and {other}", hint="compare results of one dataset")
    return {"task": a.task, "metric": a.metric, "dataset": a.dataset, "split": a.split, "one": a.items.one, "plural": a.items.plural}


def _columns(pairs: Sequence[Pair]) -> list[Column]:
    """The columns that every evaluation has, in the order of the first."""
    if not pairs:
        return []
    every = [{(column.name, column.unit) for column in one.evaluation.columns} for pair in pairs for one in pair]
    return [column for column in pairs[0][0].evaluation.columns if all((column.name, column.unit) in mine for mine in every)]


def _networks(store: Store, matches: Sequence[Match], level: float, limit: int) -> list[dict[str, Any]]:
    """Scores and items of every network."""
    if not matches:
        return []
    directories = [(store.files(a.record), store.files(b.record)) for a, b in matches[0].pairs]
    items = compare_items(directories, [(match.first, match.second) for match in matches], level=level, limit=limit)
    return [
        {"a": match.first, "b": match.second, "label": match.label, "scores": _scores(match, level), "items": mine}
        for match, mine in zip(matches, items)
    ]


def _scores(match: Match, level: float) -> dict[str, Any]:
    """By column: what each side has, and B − A."""
    scores = {}
    for column in _columns(match.pairs):
        if all(column.name in row.scores for rows in match.rows for row in rows):
            a, b = ([rows[side].scores[column.name].value for rows in match.rows] for side in (0, 1))
            scores[column.name] = {
                "a": {**_number(interval(a, level)), "values": a},
                "b": {**_number(interval(b, level)), "values": b},
                "difference": _number(paired(b, a, level)),
            }
    return scores


def _number(found: Interval) -> dict[str, Any]:
    return {"mean": found.mean, "half": None if math.isnan(found.half) else found.half}


def _row(evaluation: Evaluation, name: str) -> Row:
    found = [row for row in evaluation.networks if row.name == name]
    if not found:
        raise KdpipeError(f"the evaluation of seed {evaluation.seed} has no network '{name}'", hint="compare results of one kind")
    return found[0]


def _side(side: Side) -> dict[str, Any]:
    results = [{"node": record.node, "key": record.digest} for record in side.results]
    return {"name": side.name, "settings": list(side.settings), "results": results}


def _change(change: Change) -> dict[str, Any]:
    component = dataclasses.asdict(change.component)
    return {"nodes": list(change.nodes), **component, "details": list(change.component.details)}


def _nothing(first: Side, second: Side, pairs: Sequence[Pair]) -> Iterator[str]:
    """Why there are no scores, where there are none."""
    if pairs:
        return
    for which, side in (("A", first), ("B", second)):
        if not side.scored:
            yield f"no evaluation speaks of {which} ({side.name}): only settings and code are compared"
    if first.scored and second.scored:
        yield "A and B have no seed in common: only settings and code are compared"


def _place(place: tuple[int, str]) -> str:
    return f"seed {place[0]}" + (f", fold {place[1]}" if place[1] else "")
