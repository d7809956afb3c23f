"""From the evaluations of several seeds to one summary: means with intervals, paired differences, cost, what to know."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from models.evaluation.statistics import Interval, interval, paired

Metrics = dict[str, Any]


def summarise(
    metrics: Sequence[Metrics], costs: dict[str, Any], timing: dict[str, Any] | None, coverage: dict[str, Any] | None, level: float
) -> dict[str, Any]:
    """The content of ``report.json``. Fractions, not percent; every mean has the half width of its interval and the values.

    ``metrics`` holds the ``metrics.json`` of each seed; ``unit`` there is what is counted (a question, if it does not say),
    ``headline`` the name of the main column, and a network's ``series`` the one that it is a point of. ``costs`` and ``timing``
    are those of one seed (they depend on the shape of the networks alone).
    """
    first = metrics[0]
    models = []
    for row, model in enumerate(first["models"]):
        mine = [m["models"][row] for m in metrics]
        name = model["name"]
        models.append(
            {
                **_accuracies(mine, first["types"], level),
                "name": name,
                "label": model["label"],
                "series": model.get("series"),
                "best_epochs": [m["best_epoch"] for m in mine],
                "validation": _number(interval([m["best_value"] for m in mine if m["best_value"] is not None], level)),
                **costs["models"].get(name, {}),
                **({} if timing is None else timing["models"].get(name, {})),
            }
        )
    return {
        "task": first["task"],
        "metric": first["metric"],
        "headline": first.get("headline", "all"),
        "unit": first.get("unit", "question"),
        "dataset": first["dataset"],
        "split": first["split"],
        "types": [kind for kind in first["types"] if any(kind in m["by_type"] for m in first["models"])],
        "questions_by_type": first["models"][0]["questions_by_type"],
        "seeds": [m["models"][0]["seed"] for m in metrics],
        "level": level,
        "models": models,
        "baselines": [
            {**_accuracies([m["baselines"][row] for m in metrics], first["types"], level), "name": b["name"], "label": b["label"]}
            for row, b in enumerate(first["baselines"])
        ],
        "differences": [_difference(metrics, *pair, level) for pair in first["pairs"]],
        "coverage": first["coverage"],
        "language": coverage,
        "features": first["features"],
        "timing": None if timing is None else {key: value for key, value in timing.items() if key != "models"},
        "question_tokens": costs.get("question_tokens"),
        "flags": flags(first, coverage, len(metrics)),
    }


def flags(first: Metrics, coverage: dict[str, Any] | None, seeds: int) -> list[str]:
    """What a reader has to know before believing the table."""
    found = []
    for about in first["features"]:
        if about.get("random"):
            found.append(f"RANDOM WEIGHTS: the {about['kind']} features come from an untrained {about['backbone']}")
        if about.get("imported"):
            digest = about["imported"]["sha256"][:12]
            found.append(f"the {about['kind']} features were imported (sha256 {digest}), not computed here")
        if about.get("zero_rows"):
            found.append(
                f"{len(about['zero_rows'])} of {about['videos']} rows of the {about['kind']} features are zeros (their videos were lost)"
            )
    lost = first["coverage"]["lost"]
    if lost:
        total, unit = first["coverage"]["questions"], first.get("unit", "question")
        found.append(f"{lost} of {total} {first['split']} {unit}s have no video (lost): left out of the table, wrong in 'strict'")
    for split, counts in first["models"][0].get("questions", {}).items():
        if counts["lost"]:
            found.append(f"{counts['lost']} of {counts['questions']} {split} questions have no video (lost): left out")
    if seeds < 2:
        found.append("one seed: no intervals")
    unknown = ((coverage or {}).get("splits", {}).get(first["split"]) or {}).get("unknown_answers", 0)
    if unknown:
        found.append(f"{unknown} {first['split']} questions have an answer that training never shows: always wrong, and counted")
    return found


def _accuracies(mine: Sequence[dict[str, Any]], types: Sequence[str], level: float) -> dict[str, Any]:
    shown = [kind for kind in types if all(kind in m["by_type"] for m in mine)]
    return {
        "accuracy": _number(interval([m["accuracy"] for m in mine], level)),
        "values": [m["accuracy"] for m in mine],
        "by_type": {kind: _number(interval([m["by_type"][kind] for m in mine], level)) for kind in shown},
        "strict": _number(interval([m["strict"]["accuracy"] for m in mine], level)),
    }


def _difference(metrics: Sequence[Metrics], first: str, second: str, level: float) -> dict[str, Any]:
    values = {m["name"]: [x["accuracy"] for e in metrics for x in e["models"] if x["name"] == m["name"]] for m in metrics[0]["models"]}
    labels = {m["name"]: m["label"] for m in metrics[0]["models"]}
    found = paired(values[first], values[second], level)
    return {
        "label": f"{labels[first]} − {labels[second]}",
        "first": first,
        "second": second,
        **_number(found),
        "values": [a - b for a, b in zip(values[first], values[second])],
        "excludes_zero": found.excludes_zero,
    }


def _number(found: Interval) -> dict[str, Any]:
    """JSON has no NaN: null stands for an interval that does not exist."""
    return {"mean": found.mean, "half": None if math.isnan(found.half) else found.half}
