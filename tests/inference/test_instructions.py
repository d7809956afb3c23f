"""A precision that the processor has no instructions for is refused, by what the system says of it; torch is not asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from cache.errors import ConfigError
from cache.stage import Node
from models.inference import instructions as module
from models.inference.infer import Whole
from models.inference.instructions import lacks, told_by
from models.inference.runtimes import prepare, processor
from pipeline import ready
from stages.extract import STAGE, ExtractParams

OLD, NEW = frozenset({"avx2", "avx512f"}), frozenset({"avx2", "avx512f", "avx512_bf16", "avx512_vnni"})
PROJECT = Path(__file__).resolve().parents[2]


def on(here: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that the processor is another one."""
    monkeypatch.setattr(module, "instructions", lambda: here)


def test_only_what_every_processor_of_the_machine_has_counts(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu avx2\nvmx flags\t: avx512_vnni\n")
    assert told_by(told) == {"fpu", "avx2"}
    told.write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n")
    assert told_by(told) == frozenset()
    assert told_by(tmp_path / "not there") == frozenset()


def test_what_is_lacking_is_said_where_the_system_tells_and_the_processor_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    on(OLD, monkeypatch)
    assert "no instructions for bfloat16 (avx512_bf16 or amx_bf16)" in lacks("bfloat16", "cpu")
    assert "avx512_vnni" in lacks("int8", "cpu")
    assert lacks("float32", "cpu") == lacks("float16", "cpu") == lacks("bfloat16", "cuda:1") == ""
    on(NEW, monkeypatch)
    assert lacks("bfloat16", "cpu") == lacks("int8", "cpu") == ""
    on(frozenset(), monkeypatch)
    assert lacks("bfloat16", "cpu") == ""


@pytest.mark.parametrize("runtime", ["eager", "openvino"])
def test_a_runtime_does_not_compute_in_a_precision_that_the_processor_lacks(monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    on(OLD, monkeypatch)
    net = Whole(nn.Conv2d(3, 4, 1)).eval()
    with pytest.raises(ConfigError, match="precision=bfloat16 cannot be used here") as error:
        prepare(runtime, net, torch.zeros(1, 3, 4, 4), "bfloat16", 1)
    assert "precision=float32" in error.value.hint


def test_it_is_said_before_anything_runs_and_only_if_the_processor_would_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    half, full = (Node("extract.motion", STAGE, ExtractParams(kind="motion", precision=p)) for p in ("bfloat16", "float32"))
    on(OLD, monkeypatch)
    found = ready._missing_instructions(half, "cpu")
    assert found is not None and found[0].startswith("extract.motion.precision=bfloat16: this processor")
    assert ready._missing_instructions(half, "cuda:0") is None and ready._missing_instructions(full, "cpu") is None
    on(NEW, monkeypatch)
    assert ready._missing_instructions(half, "cpu") is None


def test_a_row_says_which_instructions_made_it_in_low_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    on(NEW, monkeypatch)
    assert processor("eager", "cpu", "bfloat16") == f"{processor('eager', 'cpu')}, avx512_bf16"
    on(NEW | {"amx_bf16"}, monkeypatch)
    assert processor("eager", "cpu", "bfloat16") == f"{processor('eager', 'cpu')}, avx512_bf16, amx_bf16"
    assert processor("eager", "cpu", "float32") == processor("eager", "cpu")


def test_the_processor_is_read_without_torch() -> None:
    code = "import sys, models.inference.instructions as i; i.lacks('int8', 'cpu'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
