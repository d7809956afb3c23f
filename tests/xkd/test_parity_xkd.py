"""xkd agrees with the numbers of the original (small cases travel with the repository; `make parity` runs all)."""

from __future__ import annotations

import pytest

from tests.parity.where import cases_of, report

CASES, GOLDEN = cases_of("xkd")


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_our_code_agrees_with_the_original(name: str) -> None:
    status, lines = report(CASES, name)
    assert status == 0, lines


@pytest.mark.parametrize(
    "pattern",
    [
        "mask_random",
        "mae_*",
        "recon_loss",
        "mmd_loss",
        "train_step_*",
        "schedules",
        "eval_backbones",
        "cutmix5d",
        "av_features",
        "logmel",
        "audio_aug",
        "video_ops",
        "view_shapes",
        "*_sampling",
        "dense_chunks",
        "test_crops",
    ],
)
def test_quick_cases_agree_with_the_original(pattern: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, pattern)
    assert status == 0, lines


@pytest.mark.long
@pytest.mark.parametrize("pattern", ["*_vitb12", "dino_head_full", "ckpt_layout", "layer_decay"])
def test_large_cases_agree_with_the_original(pattern: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, pattern)
    assert status == 0, lines


def test_the_svm_agrees_with_the_original() -> None:
    pytest.importorskip("sklearn")
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, "svm_protocol")
    assert status == 0, lines
