"""The ``report`` stage: what the evaluations of all seeds say together. It knows the form of their files, not the system.

Reads every ``evaluate.*`` (``metrics.json``, ``cost.json``, ``curves.jsonl``), ``questions`` (``coverage.json``) and, if there is one,
``timing``. Writes ``report.txt`` (what ``kdpipe report`` prints), ``report.json``, ``curves.png`` (training) and, for networks that come in
several sizes, ``tradeoff.png`` (score against cost).
"""

from __future__ import annotations

from dataclasses import dataclass

from cache.stage import Stage, option


@dataclass(frozen=True)
class ReportParams:
    """Parameters of the report."""

    level: float = option(0.95, "of the confidence intervals over seeds (Student's t)", above=0, below=1)
    curves: bool = option(True, "draw the pictures")


STAGE = Stage("report", "stages.report.run:run", ReportParams)
