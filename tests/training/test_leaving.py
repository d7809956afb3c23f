"""Processes that a launcher started leave nothing behind that could end them badly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

LEAVE = """
import warnings
from pathlib import Path

warnings.simplefilter("error")
from models.training.launched import serving

def names():
    return [(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]

with serving() as launched:
    import torch.distributed.nn  # as optimizers do while a stage is at work

    assert launched.first and any("gloo" in name for name in names()), names()
print([name for name in names() if "gloo" in name])
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="names of threads are read from Linux's /proc")
def test_no_thread_of_the_group_outlives_it() -> None:
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", LEAVE], env={**os.environ, **alone}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_a_job_of_a_cluster_without_a_launcher_waits_for_nobody(tmp_path: Path) -> None:
    job = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500", "KDPIPE_STORE": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "pipeline", "ls"], env={**os.environ, **job}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
