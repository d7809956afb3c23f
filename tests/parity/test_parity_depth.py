"""Depth agrees with the original implementation: the cases that travel with the repository, and the large ones where they are."""

from __future__ import annotations

import pytest

from tests.parity.where import cases_of, report

CASES, GOLDEN = cases_of("modalities")


@pytest.mark.parametrize("name", ["adabins_metrics", "adabins_silog", "depth_colorize"])
def test_measures_loss_and_colours_agree_with_the_original(name: str) -> None:
    status, lines = report(CASES, name)
    assert status == 0, lines


@pytest.mark.long
@pytest.mark.parametrize("pattern", ["adabins_decoder*", "adabins_mvit*", "adabins_full", "adabins_infer*"])
def test_adabins_agrees_with_the_original(pattern: str) -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, pattern)
    assert status == 0, lines
