"""litemkd agrees with the numbers of the original (small cases travel with the repository; `make parity` runs all)."""

from __future__ import annotations

import pytest

from tests.parity.where import cases_of, report

CASES, GOLDEN = cases_of("litemkd")


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_our_code_agrees_with_the_original(name: str) -> None:
    status, lines = report(CASES, name)
    assert status == 0, lines


@pytest.mark.parametrize("pattern", ["trx_c*", "distill_losses", "otam_head", "mfm_teacher_*", "clip_transforms"])
def test_quick_cases_agree_with_the_original(pattern: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, pattern)
    assert status == 0, lines


@pytest.mark.long
@pytest.mark.parametrize("pattern", ["student_*", "teacher_*", "extract_*", "train_step_*", "mfm_full_*"])
def test_large_cases_agree_with_the_original(pattern: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, pattern)
    assert status == 0, lines
