"""The work of the ``report`` stage: gather, summarise, write the table, the JSON and the pictures."""

from __future__ import annotations

from cache.json_files import write_json
from cache.stage import Context
from models.evaluation.files import read_curves, read_evaluation
from models.evaluation.times import Timing
from stages.report import curves, tradeoff
from stages.report.replicates import in_order
from stages.report.summary import summarise
from stages.report.table import render


def run(ctx: Context) -> None:
    """Write ``report.json``, ``report.txt`` and the pictures. Raises DataError if there is no evaluation, or some are of another kind."""
    found = {path: read_evaluation(path) for name, path in ctx.inputs.items() if name.split(".")[0] == "evaluate"}
    evaluations, level = in_order(found.values()), ctx.params.level
    timing = Timing.read(ctx.inputs["timing"]) if "timing" in ctx.inputs else None
    summary = summarise(evaluations, timing, level)
    write_json(ctx.out / "report.json", summary)
    (ctx.out / "report.txt").write_text(render(summary), encoding="utf-8")
    if ctx.params.curves:
        first = evaluations[0]
        records = [read_curves(path) for path in found]
        curves.draw(
            ctx.out / "curves.png", first.panels, records, {row.name: row.label for row in first.networks}, level, curves.heading(summary)
        )
        tradeoff.draw(ctx.out / "tradeoff.png", summary)
