"""From drawn programmes to GAP with the real commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm
from tests.command import PROJECT, variables

SMALL = ("world.size=tiny", "seeds=1", "teacher.epochs=2", "student.epochs=2", "teacher.batch_size=4", "student.batch_size=4")
SETTINGS = [word for setting in (*SMALL, "teacher.holdout=0.3", "student.holdout=0.3") for word in ("--set", setting)]


def kdpipe(store: Path, *words: str, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    words = (words[0], "--system", "fewerframes", *SETTINGS, *words[1:])
    if not launcher:
        return warm.run("pipeline", *words, cwd=PROJECT, env=variables(store))
    command = [sys.executable, *launcher, "-m", "pipeline", *words]
    return subprocess.run(command, cwd=PROJECT, env=variables(store), check=False, capture_output=True, text=True, timeout=900)


@pytest.mark.long
def test_the_demo_runs_from_drawing_to_the_report_and_then_does_nothing(tmp_path: Path) -> None:
    done = kdpipe(tmp_path, "run", "report")
    assert done.returncode == 0, done.stderr
    report = kdpipe(tmp_path, "report")
    assert "validate GAP@20 in %" in report.stdout and "student + L_rep + L_pred, 6 frames" in report.stdout
    assert kdpipe(tmp_path, "plan", "report", "--make").stdout == ""
    more = kdpipe(tmp_path, "plan", "report", "--set", "evaluate.ks=[3,6]", "--json")
    planned = {row["node"] for row in json.loads(more.stdout)} if more.stdout.startswith("[") else set(more.stdout.split())
    assert any("student.alone.k3.s0" in name for name in planned)
    assert not any(name.startswith(("ingest", "teacher", "dump", "student.alone.k6")) for name in planned)
    torchrun_ends_where_our_own_processes_do(tmp_path)


def torchrun_ends_where_our_own_processes_do(store: Path) -> None:
    other, shared = store.with_name("other"), ("--set", "teacher.processes=2")
    shutil.copytree(store, other, symlinks=True)
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    refused = kdpipe(store, "run", "teacher.s0", "--set", "teacher.epochs=3", launcher=launcher)
    assert refused.returncode != 0 and "2 processes were started, and the stage's parameter processes is 1" in refused.stderr
    weights = []
    for place, how in ((store, launcher), (other, ())):
        done = kdpipe(place, "run", "teacher.s0", *shared, launcher=how)
        assert done.returncode == 0 and done.stderr.count("teacher.s0 train: epoch 1/") == 1, done.stderr
        opened = kdpipe(place, "open", "teacher.s0", *shared)
        weights.append((Path(opened.stdout.strip()) / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
