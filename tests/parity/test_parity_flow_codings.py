"""Codings and files of flow against the numbers of the original tools."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.parity.runner import run

CASES = Path(__file__).parents[1] / "data" / "modalities"


@pytest.mark.parametrize("name", ["flo_file", "flow_color_wheel", "flow_color_image", "flow_quantise", "flow_afsd_npy"])
def test_our_codings_agree_with_the_originals(name: str) -> None:
    out = io.StringIO()
    assert run(CASES, name, out=out) == 0, out.getvalue()
