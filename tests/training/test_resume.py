"""A training that is killed and run again ends with the bits of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


def trained(directory: Path, *arguments: str) -> dict:
    """Run trainee.py and return what it reports."""
    directory.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("trainee.py")), str(directory), *arguments]
    subprocess.run(command, check=True, timeout=120, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    return json.loads((directory / "result.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The uninterrupted run."""
    return trained(tmp_path_factory.mktemp("whole") / "run", "whole")["digests"]


def test_kills_at_random_moments_leave_weights_and_curves_bit_identical(tmp_path: Path, whole: dict) -> None:
    found = trained(tmp_path / "killed", "killed", "1")
    assert found["digests"] == whole
    assert found["ends"][:10] == [signal.SIGKILL] * 10
    assert any(place and place[1] > 0 for place in found["places"]), "no kill came in the middle of an epoch"


def test_kills_while_a_checkpoint_is_written_leave_weights_and_curves_bit_identical(tmp_path: Path, whole: dict) -> None:
    found = trained(tmp_path / "torn", "torn", "2")
    assert found["digests"] == whole
    assert found["ends"][:6] == [signal.SIGKILL] * 6
    assert found["left"] == []
