"""Middlebury's .flo: there and back, and damaged files by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from cache.errors import DataError
from formats import flo

FLOW = np.random.default_rng(0).normal(0, 5, (3, 5, 2)).astype(np.float32)


@given(array_shapes(min_dims=2, max_dims=2, max_side=9).flatmap(lambda s: arrays(np.float32, (*s, 2), elements=st.floats(width=32))))
def test_any_flow_comes_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, flow: np.ndarray) -> None:
    path = tmp_path_factory.mktemp("flo") / "a.flo"
    flo.write(path, flow)
    assert flo.read(path).tobytes() == flow.tobytes()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: b"", "does not begin with PIEH"),
        (lambda data: data[:-1], "131 bytes, where 5 x 3 pixels take 132"),
        (lambda data: data + b"\0", "133 bytes"),
        (lambda data: b"HEIP" + data[4:], "another order"),
        (lambda data: data[:4] + b"\xff" * 4 + data[8:], "a picture of -1 x 3 pixels"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage: object, said: str) -> None:
    path = tmp_path / "broken.flo"
    path.write_bytes(damage(flo.encode(FLOW)))
    with pytest.raises(DataError, match=r"broken\.flo") as error:
        flo.read(path)
    assert said in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.flo"):
        flo.read(tmp_path / "gone.flo")
