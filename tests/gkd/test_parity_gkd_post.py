"""Detection's data, decoding and metric agree with the numbers of the original (small cases travel with the repository)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.parity.where import cases_of, report

CASES, GOLDEN = cases_of("gkd")
QUICK = ("det_soft_nms", "det_tiou_ap", "det_map", "det_thumos_clips", "det_contrastive_augment", "det_transforms")


@pytest.mark.parametrize("name", QUICK)
def test_our_code_agrees_with_the_original(name: str) -> None:
    status, lines = report(CASES, name)
    assert status == 0, lines


@pytest.mark.parametrize(
    ("name", "array", "change"),
    [
        ("det_soft_nms", "in.a", np.flipud),
        ("det_tiou_ap", "in.rec", np.flipud),
        ("det_thumos_clips", "in.rows", np.flipud),
        ("det_contrastive_augment", "in.first", lambda rows: rows + np.float32(1)),
        ("det_transforms", "in.im", np.flipud),
    ],
)
def test_a_changed_input_is_noticed(name: str, array: str, change: Callable[[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    shutil.copy(CASES / f"{name}.json", tmp_path)
    with np.load(CASES / f"{name}.npz") as stored:
        np.savez(tmp_path / f"{name}.npz", **{**stored, array: change(stored[array])})
    status, lines = report(tmp_path, name)
    assert status == 1 and lines[0].startswith((f"FAIL {name} worst error at out.", f"FAIL {name} out."))


def test_a_changed_detection_is_noticed(tmp_path: Path) -> None:
    for path in CASES.glob("det_map*"):
        shutil.copy(path, tmp_path)
    path = tmp_path / "det_map.pred.json"
    value = json.loads(path.read_text())
    value["results"]["video_test_0000001"][0]["segment"] = [0, 0.1]
    path.write_text(json.dumps(value))
    status, lines = report(tmp_path, "det_map")
    assert status == 1 and lines[0].startswith("FAIL det_map worst error")


@pytest.mark.long
@pytest.mark.parametrize("name", ["det_pipeline_rgb", "det_pipeline_fusion"])
def test_the_whole_test_program_agrees_with_the_original(name: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, name)
    assert status == 0, lines
