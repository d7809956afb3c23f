"""The 3-D and 2-D families agree with the numbers of the original networks (small cases; `make parity` runs all)."""

from __future__ import annotations

import pytest

from tests.parity import where
from tests.parity.backbones import appearance, motion
from tests.parity.case import load_case
from tests.parity.compare import compare

GOLDEN = where.GOLDEN / "videoqa"
FAST = ["resnext3d_shallow_c32", "resnext3d_shallow_c8_feat", "r3d34_B_narrow", "r3d50_A_opts", "r2p1d18_narrow", "resnet101_2d_64"]
SLOW = ["resnext101_3d_full", "resnet18_3d_A", "resnet34_3d_A_small", "resnet50_3d_B_small", "r3d18_B_k700", "wide_resnet50_3d"]


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.long) for name in [*SLOW, "resnet101_2d_224"])])
def test_outputs_agree_with_the_original(name: str) -> None:
    path = GOLDEN / f"{name}.json"
    if not path.is_file():
        pytest.skip("no golden numbers here (set KDPIPE_GOLDEN)")
    case = load_case(path)
    assert case is not None
    compare(case, appearance(case) if "_2d_" in name else motion(case))
