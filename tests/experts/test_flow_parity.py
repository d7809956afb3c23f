"""FlowNet 2.0's operators agree with numbers of the original kernels, gradients included."""

import io
from pathlib import Path

import pytest

from tests.parity.runner import run

CASES = Path(__file__).parents[1] / "data" / "modalities"


@pytest.mark.parametrize("case", ["op_channelnorm", "op_resample2d", "op_correlation_small", "op_correlation_k3_s2"])
def test_an_operator_agrees_with_the_original(case: str) -> None:
    out = io.StringIO()
    assert run(CASES, case, out=out) == 0, out.getvalue()
    assert out.getvalue().endswith("1 passed, 0 failed, 0 unknown\n")
