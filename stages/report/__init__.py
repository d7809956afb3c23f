"""The ``report`` stage: what the evaluations of all replicates say together. It knows no system: what it shows, they say.

Reads every ``evaluate.*`` (:mod:`models.evaluation`) and, if there is one, ``timing``. Writes ``report.txt`` (what ``kdpipe report``
prints), ``report.json`` and, where there is something to draw, ``curves.png`` (training) and ``tradeoff.png`` (score against cost, of
networks that come in several sizes).
"""

from __future__ import annotations

from dataclasses import dataclass

from cache.stage import Stage, option


@dataclass(frozen=True)
class ReportParams:
    """Parameters of the report."""

    level: float = option(0.95, "of the confidence intervals over seeds and folds (Student's t)", above=0, below=1)
    curves: bool = option(True, "draw the pictures")


STAGE = Stage("report", "stages.report.run:run", ReportParams)
