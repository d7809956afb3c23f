"""Comparing features: per video, by numbers that are stated, with a verdict."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cache.errors import DataError
from cache.stage import Quiet
from pipeline.comparing import Comparison, compare, difference
from stages.imported.source import open_source
from tests.features.conftest import features, published

NUMBERS = np.array([1, 2, 7, 10, 30])
FINITE = arrays(np.float32, (2, 3), elements=st.floats(-1e6, 1e6, width=32))


def compared(first: Path, second: Path) -> Comparison:
    with open_source(first) as one, open_source(second) as other:
        return compare(one, other, Quiet)


def test_equal_rows_are_the_same_in_any_order_and_storage(tmp_path: Path) -> None:
    rows, order = features(), [4, 2, 0, 1, 3]
    first = published(tmp_path / "a.h5", rows, NUMBERS)
    second = published(tmp_path / "b.h5", rows[order], NUMBERS[order].astype(np.int32), chunks=(2, 1, 4, 3), compression="gzip")
    found = compared(first, second)
    assert [row.id for row in found.rows] == ["1", "2", "7", "10", "30"]
    assert found.largest == 0 and found.worst == [] and found.agree(0)


def test_the_numbers_are_those_of_the_formulas(tmp_path: Path) -> None:
    rows = features()
    other = rows.copy()
    other[2] *= np.float32(1.25)
    other[3, 0, 0, 0] += np.float32(0.5)
    found = compared(published(tmp_path / "a.h5", rows, NUMBERS), published(tmp_path / "b.h5", other, NUMBERS))
    by_id = {row.id: row for row in found.rows}
    a, b = rows[2].astype(float), other[2].astype(float)
    assert by_id["7"].absolute == np.abs(a - b).max() and by_id["7"].relative == pytest.approx(0.2, rel=1e-6)
    assert by_id["7"].cosine == pytest.approx(1, abs=1e-12)
    a, b = rows[3].astype(float).ravel(), other[3].astype(float).ravel()
    assert by_id["10"].absolute == pytest.approx(0.5, rel=1e-6)
    assert by_id["10"].cosine == pytest.approx(a @ b / math.sqrt((a @ a) * (b @ b)), abs=1e-12)
    assert [row.id for row in found.worst] == [row.id for row in sorted(found.rows, key=lambda row: -row.relative)[:2]]
    assert not found.agree(0.1) and found.agree(1.0)


def test_videos_of_one_side_only_are_a_difference_unless_told_otherwise(tmp_path: Path) -> None:
    rows = features()
    found = compared(
        published(tmp_path / "a.h5", rows, NUMBERS), published(tmp_path / "b.h5", rows[:4], [f"video{id}" for id in (1, 2, 7, 11)])
    )
    assert (found.only_first, found.only_second) == (("10", "30"), ("11",))
    assert len(found.rows) == 3 and not found.agree(0) and found.agree(0, common=True)


def test_nothing_in_common_is_no_agreement(tmp_path: Path) -> None:
    found = compared(published(tmp_path / "a.h5", features(), NUMBERS), published(tmp_path / "b.h5", features(), NUMBERS + 100))
    assert not found.rows and not found.agree(1, common=True)


def test_other_shapes_cannot_be_compared_but_a_lost_axis_of_one_can(tmp_path: Path) -> None:
    rows = features("motion", shape=(1, 6))
    first = published(tmp_path / "a.h5", rows, NUMBERS)
    assert compared(first, published(tmp_path / "b.h5", rows[:, 0], NUMBERS)).agree(0)
    with pytest.raises(DataError, match=r"rows of \[1, 6\] and of \[2, 6\]"):
        compared(first, published(tmp_path / "c.h5", features("motion"), NUMBERS))


@given(FINITE, FINITE)
def test_only_equal_rows_have_no_difference(a: np.ndarray, b: np.ndarray) -> None:
    row = difference("1", a, b)
    assert (row.relative == 0) == (row.absolute == 0) == bool((a == b).all())
    assert math.isnan(row.cosine) or -1 - 1e-9 <= row.cosine <= 1 + 1e-9


@pytest.mark.parametrize(
    ("a", "b", "relative"),
    [([0, 0], [0, 0], 0.0), ([0, 1], [0, 0], math.inf), ([math.nan, 1], [0, 1], math.inf), ([math.nan, 1], [math.nan, 1], 0.0)],
)
def test_zeros_and_what_is_no_number_do_not_pass_as_equal(a: list[float], b: list[float], relative: float) -> None:
    assert difference("1", np.array(a, np.float32), np.array(b, np.float32)).relative == relative
