"""From drawn untrimmed videos to mAP with the real commands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import warm
from tests.command import PROJECT, variables

SIZES = ("train.width=0.0625", "train.frames=32", "train.levels=3", "train.size=24", "arrays.size=28", "train.stride=64")
SMALL = ("world.size=tiny", "seeds=1", "train.epochs=1", "timing.repeats=1", *SIZES)
SETTINGS = [word for setting in SMALL for word in ("--set", setting)]


def kdpipe(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    words = (words[0], "--system", "gkd", "--dataset", "thumosworld", *SETTINGS, *words[1:])
    return warm.run("pipeline", *words, cwd=PROJECT, env=variables(store))


@pytest.mark.long
def test_detection_runs_from_drawing_to_the_report_and_then_does_nothing(tmp_path: Path) -> None:
    done = kdpipe(tmp_path, "run", "report")
    assert done.returncode == 0, done.stderr
    report = kdpipe(tmp_path, "report")
    assert "test mAP, mean over tIoU 0.3 to 0.7 in %" in report.stdout and "student, distilled − student alone" in report.stdout
    assert "2 videos that the ground truth lacks" in report.stdout
    assert kdpipe(tmp_path, "plan", "report", "--make").stdout == ""
    results = Path(kdpipe(tmp_path, "open", "evaluate.s0").stdout.strip()) / "results" / "student.kd.json"
    assert set(json.loads(results.read_text())) == {"version", "results", "external_data"}
    planned = json.loads(kdpipe(tmp_path, "plan", "report", "--set", "evaluate.sigma=0.3", "--json").stdout)
    assert {row["node"] for row in planned} == {"evaluate.s0", "report"}
