"""The checkpoint of a running training on disk."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from cache.errors import StoreError
from models.training.checkpoint import NAME, SUFFIX, Checkpoint

MEASURE = """
import sys
from pathlib import Path
import torch
from models.training.checkpoint import Checkpoint

def peak():
    return int(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")).split()[1]) / 1024

place = Checkpoint(Path(sys.argv[1]))
place.save({"small": torch.zeros(5)}, {"small": torch.zeros(5)})
state, kept = {"model": torch.ones(128 * 2**18)}, torch.ones(64 * 2**18)
before = peak()
place.save(state, {"kept": kept})
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_writing_needs_no_copy_in_memory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert float(done.stdout) < 16, f"{done.stdout.strip()} MB more for a state of 128 MB and 64 MB of kept weights"


def test_it_comes_back_as_it_was_and_nothing_else_is_left(tmp_path: Path) -> None:
    place = Checkpoint(tmp_path)
    place.save({"step": 1}, {"weight": torch.arange(3)})
    place.save({"step": 2, "value": torch.ones(2)})
    (tmp_path / ".99.tmp").write_bytes(b"torn")
    (tmp_path / f"{'0' * 64}{SUFFIX}").write_bytes(b"a state that was whole before anything named it")
    again = Checkpoint(tmp_path)
    state, kept = again.load(), again.kept()
    assert state is not None
    assert state["step"] == 2 and torch.equal(state["value"], torch.ones(2)) and torch.equal(kept["weight"], torch.arange(3))
    assert len(list(tmp_path.iterdir())) == 3


def test_kept_weights_that_did_not_change_stay_the_file_they_are(tmp_path: Path) -> None:
    place = Checkpoint(tmp_path)
    place.save({"step": 1}, {"weight": torch.arange(3)})
    before = {path.name: path.stat().st_ino for path in tmp_path.glob(f"*{SUFFIX}")}
    again = Checkpoint(tmp_path)
    assert again.load() is not None
    again.save({"step": 2})
    after = {path.name: path.stat().st_ino for path in tmp_path.glob(f"*{SUFFIX}")}
    assert len(before.items() & after.items()) == 1


def test_a_file_that_is_not_ours_is_not_opened(tmp_path: Path) -> None:
    import hashlib

    body = b"cos\nsystem\n(S'true'\ntR."  # a pickle that would run a command
    digest = hashlib.sha256(body).hexdigest()
    (tmp_path / f"{digest}{SUFFIX}").write_bytes(body)
    (tmp_path / NAME).write_text(json.dumps({"state": digest}))
    with pytest.raises(StoreError, match="no checkpoint of ours"):
        Checkpoint(tmp_path).load()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"state": 3}', '{"state": "../../etc/passwd"}', "\xff"])
def test_a_record_that_says_nothing_is_no_checkpoint(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text, encoding="latin-1")
    assert Checkpoint(tmp_path).load() is None
    assert not list(tmp_path.iterdir())
