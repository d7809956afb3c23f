"""The parity runner, and the cases that travel with the repository."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.parity.case import Allowance
from tests.parity.compare import stated
from tests.parity.fill import fill
from tests.parity.runner import load_areas
from tests.parity.where import cases_of, report

CASES, GOLDEN = cases_of("videoqa")


def copy(name: str, directory: Path, *, case: str | None = None, **changes: np.ndarray) -> None:
    """Copy a case of the repository, perhaps under another name and with other arrays."""
    meta = json.loads((CASES / f"{name}.json").read_text())
    meta["case"] = case or name
    (directory / f"{meta['case']}.json").write_text(json.dumps(meta))
    with np.load(CASES / f"{name}.npz") as stored:
        np.savez(directory / f"{meta['case']}.npz", **{**stored, **changes})


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_our_code_agrees_with_the_original(name: str) -> None:
    status, lines = report(CASES, name)
    assert status == 0, lines


@pytest.mark.parametrize("name", ["mkd_train_steps", "mkd_train_steps_t", "dualvgr_train_steps_u2"])
def test_training_steps_agree_with_the_original(name: str) -> None:
    if not (GOLDEN / f"{name}.json").is_file():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, name)
    assert status == 0, lines


@pytest.mark.long
@pytest.mark.parametrize("pattern", ["dualvgr_full*", "mkd_*_full", "image_preprocess", "module_*"])
def test_large_cases_agree_with_the_original(pattern: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, pattern)
    assert status == 0, lines


def test_every_area_of_handlers_can_be_imported() -> None:
    assert load_areas() == {}


def test_a_perturbed_output_fails_and_is_named_with_its_index(tmp_path: Path) -> None:
    with np.load(CASES / "mkd_losses_t2.npz") as stored:
        wrong = stored["out.grad.logits"].copy()
    wrong[2, 5] += 0.01 * abs(wrong).max()
    copy("mkd_losses_t2", tmp_path, **{"out.grad.logits": wrong})
    status, lines = report(tmp_path)
    assert status == 1
    assert lines[0].startswith("FAIL mkd_losses_t2 worst error at out.grad.logits[2, 5]:")
    assert lines[-1] == "0 passed, 1 failed, 0 unknown"


def test_a_perturbed_input_fails(tmp_path: Path) -> None:
    with np.load(CASES / "module_punish_gat.npz") as stored:
        copy("module_punish_gat", tmp_path, **{"in.x": stored["in.x"] * np.float32(1.01)})
    status, lines = report(tmp_path)
    assert status == 1 and lines[0].startswith("FAIL module_punish_gat worst error at out.out[")


def test_a_perturbed_json_fails(tmp_path: Path) -> None:
    meta = json.loads((CASES / "clip_indices.json").read_text())
    meta["cases"][3]["frames_list"][1][2] += 1
    (tmp_path / "clip_indices.json").write_text(json.dumps(meta))
    status, lines = report(tmp_path)
    assert status == 1 and lines[0].startswith("FAIL clip_indices worst error at out.cases[3]")


def test_a_state_with_other_shapes_fails_by_name(tmp_path: Path) -> None:
    copy("module_punish_gat", tmp_path)
    path = tmp_path / "module_punish_gat.json"
    meta = json.loads(path.read_text())
    meta["state"]["attention_1.W.bias"] = [7]
    path.write_text(json.dumps(meta))
    status, lines = report(tmp_path)
    assert status == 1 and "state attention_1.W.bias: ours (8,), the case's (7,)" in lines[0]


def test_a_case_without_handler_is_unknown_and_not_a_success(tmp_path: Path) -> None:
    copy("module_punish_gat", tmp_path)
    copy("module_punish_gat", tmp_path, case="something_new")
    status, lines = report(tmp_path)
    assert status == 1
    assert "unknown something_new" in lines
    assert lines[-1] == "1 passed, 0 failed, 1 unknown"


def test_a_damaged_case_fails_and_the_others_run(tmp_path: Path) -> None:
    copy("module_punish_gat", tmp_path)
    copy("module_mfb_2d", tmp_path)
    (tmp_path / "module_mfb_2d.npz").write_bytes(b"not an archive")
    (tmp_path / "another.json").write_text("{")
    status, lines = report(tmp_path)
    assert status == 1 and lines[-1] == "1 passed, 2 failed, 0 unknown"


@pytest.mark.parametrize(
    ("tolerance", "relative", "absolute"),
    [
        (None, 1e-4, 0.0),
        (0.01, 0.01, 0.0),
        ("1e-5", 1e-5, 0.0),
        ("1e-3 relative after 3 steps", 1e-3, 0.0),
        ("rtol 1e-3, atol 2e-4 (float32, long sums)", 1e-3, 2e-4),
        ("2 levels", 1e-4, 0.0),
    ],
)
def test_tolerances_are_read_as_the_cases_state_them(tolerance: object, relative: float, absolute: float) -> None:
    assert stated(tolerance) == Allowance(relative, absolute)


def test_nothing_to_run_is_not_a_success(tmp_path: Path) -> None:
    (tmp_path / "det_map.gt.json").write_text('{"annotations": []}')
    assert report(tmp_path) == (1, ["0 passed, 0 failed, 0 unknown"])


def test_a_case_with_another_seed_is_another_network() -> None:
    assert np.array_equal(fill("a.weight", (3, 4), seed=1), fill("a.weight", (3, 4), seed=1))
    assert not np.array_equal(fill("a.weight", (3, 4), seed=1), fill("a.weight", (3, 4), seed=2))
    assert not np.array_equal(fill("a.weight", (3, 4), seed=1), fill("b.weight", (3, 4), seed=1))
