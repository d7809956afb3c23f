"""From the evaluations of several replicates to one summary: means with intervals, paired differences, cost, what to know."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from models.evaluation.record import Column, Evaluation, Row, Score
from models.evaluation.statistics import Interval, interval, paired
from models.evaluation.times import Timing
from stages.report.replicates import Replicates, told


def summarise(evaluations: Sequence[Evaluation], timing: Timing | None, level: float) -> dict[str, Any]:
    """The content of ``report.json``, from evaluations in order (:func:`stages.report.replicates.in_order`).

    Fractions, not percent; every mean has the half width of its interval over replicates, the values, and the widest of the intervals that
    the evaluations themselves have (``own``). Costs are those of the first replicate (they depend on the shape of the networks alone).
    """
    first = evaluations[0]
    columns = _columns(evaluations)
    networks, baselines = (
        [_row([getattr(e, which)[place] for e in evaluations], columns, level) for place in range(len(getattr(first, which)))]
        for which in ("networks", "baselines")
    )
    times = {} if timing is None else {name: dataclasses.asdict(value) for name, value in timing.models.items()}
    for row in networks:
        row["times"] = times.get(row["name"])
    return {
        "task": first.task,
        "metric": first.metric,
        "dataset": first.dataset,
        "split": first.split,
        "level": level,
        **dataclasses.asdict(Replicates.of(evaluations)),
        "replicates": [{"seed": e.seed, "fold": e.fold} for e in evaluations],
        "own": None if first.own is None else dataclasses.asdict(first.own),
        "items": {
            "one": first.items.one,
            "plural": first.items.plural,
            "needs": first.items.needs,
            "total": [e.items.total for e in evaluations],
            "scored": [e.items.scored for e in evaluations],
        },
        "columns": columns,
        "networks": networks,
        "baselines": baselines,
        "differences": [_difference(networks, *pair, columns[0]["name"], level) for pair in first.pairs],
        "costs": [dataclasses.asdict(cost) for cost in first.costs],
        "cost_note": first.cost_note,
        "timing": None if timing is None else {key: value for key, value in dataclasses.asdict(timing).items() if key != "models"},
        "notes": told(evaluations, [e.notes for e in evaluations]),
        "flags": [*told(evaluations, [[*e.flags, *_lost(e)] for e in evaluations]), *_only_one(evaluations)],
    }


def _columns(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    """All columns, each with its number of items in every replicate (0 where it is missing)."""
    found: dict[str, Column] = {}
    for evaluation in evaluations:
        found = {column.name: column for column in evaluation.columns} | found
    items = {name: [{c.name: c.items for c in e.columns}.get(name, 0) for e in evaluations] for name in found}
    # in the order of the first replicate; what only later ones have comes last
    names = dict.fromkeys(column.name for evaluation in evaluations for column in evaluation.columns)
    return [{**dataclasses.asdict(found[name]), "items": items[name]} for name in names]


def _row(mine: Sequence[Row], columns: Sequence[dict[str, Any]], level: float) -> dict[str, Any]:
    """One network in all replicates; a column that one of them lacks is left out."""
    first = mine[0]
    shown = [column["name"] for column in columns if all(column["name"] in row.scores for row in mine)]
    return {
        "name": first.name,
        "label": first.label,
        "series": first.series,
        "scores": {name: _score([row.scores[name] for row in mine], level) for name in shown},
        "strict": _optional([row.strict for row in mine], level),
        "validation": _optional([row.validation for row in mine], level),
        "costs": dict(first.costs),
        "about": [dict(row.about) for row in mine],
    }


def _score(scores: Sequence[Score], level: float) -> dict[str, Any]:
    values, own = [score.value for score in scores], [score.half for score in scores if score.half is not None]
    return {**_number(interval(values, level)), "values": values, "own": max(own, default=None)}


def _optional(values: Sequence[float | None], level: float) -> dict[str, Any] | None:
    there = [value for value in values if value is not None]
    return _number(interval(there, level)) if there else None


def _difference(networks: Sequence[dict[str, Any]], first: str, second: str, column: str, level: float) -> dict[str, Any]:
    rows = {row["name"]: row for row in networks}
    one, other = rows[first]["scores"][column]["values"], rows[second]["scores"][column]["values"]
    found = paired(one, other, level)
    return {
        "label": f"{rows[first]['label']} − {rows[second]['label']}",
        "first": first,
        "second": second,
        **_number(found),
        "values": [a - b for a, b in zip(one, other)],
        "excludes_zero": found.excludes_zero,
    }


def _lost(evaluation: Evaluation) -> list[str]:
    items = evaluation.items
    if items.scored == items.total:
        return []
    why = f"have no {items.needs} (lost)" if items.needs else "were lost"
    strict = ", wrong in 'strict'" if any(row.strict is not None for row in evaluation.networks) else ""
    return [f"{items.total - items.scored} of {items.total} {evaluation.split} {items.plural} {why}: left out of the table{strict}"]


def _only_one(evaluations: Sequence[Evaluation]) -> list[str]:
    if len(evaluations) > 1:
        return []
    own = evaluations[0].own
    return ["one seed: no intervals" + (f" over seeds, only over its {own.samples}" if own else "")]


def _number(found: Interval) -> dict[str, Any]:
    """JSON has no NaN: null stands for an interval that does not exist."""
    return {"mean": found.mean, "half": None if math.isnan(found.half) else found.half}
