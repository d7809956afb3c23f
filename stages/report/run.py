"""The work of the ``report`` stage: gather, summarise, write the table, the JSON and the pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cache.errors import DataError
from cache.stage import Context
from stages.report.summary import summarise
from stages.report.table import render


def run(ctx: Context) -> None:
    """Write ``report.json``, ``report.txt`` and the pictures."""
    summary = gather(ctx)
    (ctx.out / "report.json").write_text(json.dumps(summary, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
    (ctx.out / "report.txt").write_text(render(summary), encoding="utf-8")
    if ctx.params.curves:
        from stages.report.curves import draw

        curves = [_lines(ctx.inputs[name] / "curves.jsonl") for name in evaluations(ctx)]
        draw(ctx.out / "curves.png", curves, {model["name"]: model["label"] for model in summary["models"]}, ctx.params.level)
        if any(model["series"] for model in summary["models"]):
            from stages.report.tradeoff import draw as draw_tradeoff

            draw_tradeoff(ctx.out / "tradeoff.png", summary)


def gather(ctx: Context) -> dict[str, Any]:
    """The summary of all evaluations. Raises DataError if there is none."""
    names = evaluations(ctx)
    if not names:
        raise DataError("there is no evaluation to report", hint="kdpipe evaluate")
    metrics = [_json(ctx.inputs[name] / "metrics.json") for name in names]
    costs = _json(ctx.inputs[names[0]] / "cost.json")
    timing = _json(ctx.inputs["timing"] / "timing.json") if "timing" in ctx.inputs else None
    coverage = _json(ctx.inputs["questions"] / "coverage.json") if "questions" in ctx.inputs else None
    return summarise(metrics, costs, timing, coverage, ctx.params.level)


def evaluations(ctx: Context) -> list[str]:
    """Names of the evaluations among the inputs, by seed."""

    def seed(name: str) -> tuple[int, str]:
        digits = name.rpartition(".s")[2]
        return (int(digits) if digits.isdigit() else 0, name)

    return sorted((name for name in ctx.inputs if name.split(".")[0] == "evaluate"), key=seed)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
