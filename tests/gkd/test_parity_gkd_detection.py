"""Detection's networks and losses agree with the numbers of the original (small cases travel with the repository)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from systems.gkd.detection.networks import Detector
from tests.parity.where import cases_of, report

CASES, GOLDEN = cases_of("gkd")
QUICK = ("det_boundary_max_pooling", "det_boundary_bce", "det_multisegment_loss")


@pytest.mark.parametrize("name", QUICK)
def test_our_code_agrees_with_the_original(name: str) -> None:
    status, lines = report(CASES, name)
    assert status == 0, lines


@pytest.mark.parametrize(("name", "changed"), [("det_boundary_max_pooling", "in.grad_out"), ("det_multisegment_loss", "in.target0")])
def test_another_input_is_noticed(name: str, changed: str, tmp_path: Path) -> None:
    with np.load(CASES / f"{name}.npz") as stored:
        arrays = dict(stored)
    arrays[changed] = arrays[changed] * np.float32(0.9)
    np.savez(tmp_path / f"{name}.npz", **arrays)
    (tmp_path / f"{name}.json").write_text((CASES / f"{name}.json").read_text(encoding="utf-8"), encoding="utf-8")
    assert report(tmp_path, name)[0] == 1


@pytest.mark.parametrize(("entries", "kind", "attention"), [("student", "student", True), ("afsd", "teacher", False)])
def test_the_state_has_the_published_names_shapes_and_order(entries: str, kind: str, attention: bool) -> None:
    published = json.loads((CASES / "detector_entries.json").read_text(encoding="utf-8"))[entries]
    with torch.device("meta"):
        state = Detector(kind, attention=attention).state_dict()
    assert [(name, list(value.shape)) for name, value in state.items()] == list(published.items())


@pytest.mark.long
@pytest.mark.parametrize("pattern", ["det_*_forward", "det_pyramid_ssl", "det_cvae", "det_train_iteration_*"])
def test_large_cases_agree_with_the_original(pattern: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, pattern)
    assert status == 0, lines
