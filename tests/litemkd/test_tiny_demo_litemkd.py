"""From drawn clips to accuracies with the real commands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import warm
from tests.command import PROJECT, variables

ABOUT = ("--system", "litemkd", "--dataset", "tinyactions")
COLUMNS = ("teacher", "expert.rgb", "expert.flow", "expert.skeleton", "student.kd", "student.rgb", "student.alone")


def kdpipe(store: Path, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    return warm.run("pipeline", verb, *ABOUT, "--seeds", "1", *words, cwd=PROJECT, env=variables(store))


@pytest.mark.long
def test_the_demo_runs_from_drawing_to_the_report_and_then_does_nothing(tmp_path: Path) -> None:
    done = kdpipe(tmp_path, "run", "report")
    assert done.returncode == 0, done.stderr
    shown = kdpipe(tmp_path, "report")
    assert shown.returncode == 0, shown.stderr
    assert "4-way 3-shot" in shown.stdout
    directory = Path(kdpipe(tmp_path, "open", "evaluate.s0").stdout.strip())
    found = "".join(path.read_text(encoding="utf-8") for path in directory.iterdir() if path.suffix in (".json", ".jsonl"))
    assert all(f'"{name}' in found for name in COLUMNS)
    assert kdpipe(tmp_path, "plan", "report", "--make").stdout == ""
    more = kdpipe(tmp_path, "plan", "report", "--set", "student.kd.temperature=2", "--json")
    planned = {row["node"] for row in json.loads(more.stdout)}
    assert {name for name in planned if name.startswith(("student", "expert", "teacher", "dump"))} == {"student.kd.s0"}
