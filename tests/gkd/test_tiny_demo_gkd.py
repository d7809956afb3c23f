"""From drawn clips to top-1 with the real commands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import warm
from tests.command import PROJECT, variables

SETTINGS = [word for setting in ("seeds=1", "train.epochs=1", "timing.repeats=1") for word in ("--set", setting)]


def kdpipe(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    words = (words[0], "--system", "gkd", "--dataset", "tinyactions", *SETTINGS, *words[1:])
    return warm.run("pipeline", *words, cwd=PROJECT, env=variables(store))


@pytest.mark.long
def test_recognition_runs_from_drawing_to_the_report_and_then_does_nothing(tmp_path: Path) -> None:
    done = kdpipe(tmp_path, "run", "report")
    assert done.returncode == 0, done.stderr
    report = kdpipe(tmp_path, "report")
    assert "1/test top-1 in %" in report.stdout and "student, distilled − student alone" in report.stdout
    assert kdpipe(tmp_path, "plan", "report", "--make").stdout == ""
    flow = ("--set", "graph.modalities=[rgb,flow]", "--set", "derive.flow.expert=dis")
    done = kdpipe(tmp_path, "run", "report", *flow)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "student.alone.flow.s0: done" in said and "teacher.s0" not in said  # flow changes nothing for networks that see RGB
    report = kdpipe(tmp_path, "report", *flow)
    assert "student, distilled, RGB + flow" in report.stdout and "student alone, flow" in report.stdout
