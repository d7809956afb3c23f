"""Skeletons agree with the original implementation: the cases that travel with the repository, and the large ones where they are."""

from __future__ import annotations

import pytest

from tests.parity.where import cases_of, report

CASES, GOLDEN = cases_of("modalities")


@pytest.mark.parametrize("name", ["alphapose_box_affine", "alphapose_pose_nms", "alphapose_render", "alphapose_yolo_post"])
def test_each_step_agrees_with_the_original(name: str) -> None:
    status, lines = report(CASES, name)
    assert status == 0, lines


@pytest.mark.long
def test_every_case_of_alphapose_agrees_with_the_original() -> None:
    if not GOLDEN.is_dir():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    status, lines = report(GOLDEN, "alphapose_*")
    assert status == 0, lines
