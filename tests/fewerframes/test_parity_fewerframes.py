"""The few-frames system agrees with the numbers of the originals (small cases travel with the repository; `make parity` runs all)."""

from __future__ import annotations

import pytest

from tests.parity.where import cases_of, report

CASES, GOLDEN = cases_of("fewerframes")


@pytest.mark.parametrize("name", sorted(path.stem for path in CASES.glob("*.json")))
def test_our_code_agrees_with_the_original(name: str) -> None:
    status, lines = report(CASES, name)
    assert status == 0, lines


@pytest.mark.long
@pytest.mark.parametrize("pattern", ["nextvlad_full*", "pipeline_small", "tfrecord_frame_level", "input_norm"])
def test_large_cases_agree_with_the_original(pattern: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, pattern)
    assert status == 0, lines
