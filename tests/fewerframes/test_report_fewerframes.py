"""The shared report reads this system's evaluations."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from models.evaluation.files import read_evaluation, write_evaluation
from stages.report import ReportParams, tradeoff
from stages.report.run import run
from systems.fewerframes import TimingParams, evaluate, timing
from tests.fewerframes.conftest import COUNTS, Bench


def test_the_report_counts_videos_and_leads_with_gap(trained: tuple[Bench, dict[str, Path]]) -> None:
    bench, made = trained
    networks = {name: path for name, path in made.items() if name not in ("dump", "evaluate")}
    second = bench.evaluation(networks, "evaluate.s2")
    write_evaluation(second, replace(read_evaluation(second), seed=2))
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
    assert (out / "tradeoff.png").stat().st_size > 1000
    assert {row["series"] for row in summary["networks"]} == {"", *evaluate.LABELS.values()}


def test_a_series_is_a_line_over_every_cost_and_the_teacher_lies_across(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def model(label: str, frames: int, gap: float, series: str = "alone") -> dict[str, object]:
        costs = {"frames": frames, "flops": 1e6 * frames, "parameters": 1}
        return {"label": label, "series": series, "costs": costs, "times": None, "scores": {"GAP@20": {"mean": gap, "half": None}}}

    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *args, **options: drawn.append(figure))
    summary = {
        "networks": [model("teacher", 60, 0.8, ""), model("alone, 30", 30, 0.7), model("alone, 6", 6, 0.5)],
        "columns": [asdict(column) for column in evaluate.COLUMNS],
        "costs": [asdict(cost) for cost in evaluate.COSTS],
        "metric": "GAP@20",
        "items": {"one": "video"},
        "dataset": "world8m",
        "replicates": [{"seed": 0, "fold": ""}],
        "seeds": [0],
        "folds": [],
        "level": 0.95,
    }
    tradeoff.draw(tmp_path / "a.png", summary)
    frames, flops = drawn[0].axes
    assert (frames.get_xlabel(), flops.get_xlabel()) == ("frames that it sees", "MFLOPs, per video")
    assert frames.get_ylabel() == "GAP@20, %"
    across, line = frames.lines[-1], frames.lines[0]
    assert line.get_xydata().tolist() == pytest.approx(np.array([[6, 50], [30, 70]])) and set(across.get_ydata()) == {80.0}
