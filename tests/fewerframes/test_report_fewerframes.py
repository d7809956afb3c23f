"""The shared report reads this system's evaluations."""

from __future__ import annotations

import json
from pathlib import Path

from stages.report import ReportParams
from stages.report.run import run
from systems.fewerframes import TimingParams, timing
from tests.fewerframes.conftest import COUNTS, Bench


def test_the_report_counts_videos_and_leads_with_gap(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    networks = {name: path for name, path in made.items() if name not in ("dump", "evaluate")}
    second = bench.evaluation(networks, "evaluate.s2")
    times = bench.run(timing.run, TimingParams(repeats=1), "timing_for_report", networks)
    inputs = {"evaluate.s1": made["evaluate"], "evaluate.s2": second, "timing": times}
    out = bench.run(run, ReportParams(), "report", inputs)
    text, summary = (out / "report.txt").read_text(), json.loads((out / "report.json").read_text())
    assert "video classification with fewer frames on tiny: validate GAP@20 in %" in text
    head, counted = text.splitlines()[3:5]
    assert head.split()[:2] == ["GAP@20", "mAP"] and counted.split() == ["videos", str(COUNTS["validate"])]
    assert "MFLOPs/video" in text and "ms/video" in text and "question" not in text
    assert [row["label"] for row in summary["differences"]][-1] == "teacher, all frames − student alone, 6 frames"
    assert (out / "curves.png").stat().st_size > 1000
