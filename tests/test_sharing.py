"""Workers of a test run that die."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import PROJECT

CONFTEST = """
from tests.sharing import Together

def pytest_xdist_make_scheduler(config, log):
    config.option.loadscopereorder = False
    return Together(config, log, lambda module: module if "group" in module else "")
"""
TESTS = """
import os, pytest, signal

@pytest.mark.parametrize("n", range(12))
def test_it(n):
    if n == {dies}:
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("name", "dies"), [("test_single.py", 11), ("test_group.py", 3)])
def test_where_a_worker_dies_its_test_fails_and_all_others_run(name: str, dies: int, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / name).write_text(TESTS.format(dies=dies))
    command = [sys.executable, "-m", "pytest", "-q", "--numprocesses=2", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    for variable in [variable for variable in environment if variable.startswith("PYTEST_")]:
        environment.pop(variable)
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert "1 failed, 11 passed" in done.stdout and done.returncode == 1, done.stdout + done.stderr
    assert f"crashed while running '{tmp_path.name}" not in done.stdout and f"test_it[{dies}]" in done.stdout
