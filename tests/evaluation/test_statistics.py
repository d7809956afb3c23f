"""Intervals over replicates against a printed table of Student's t, and against what must hold for any values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.statistics import interval, paired

#: two-sided 95 % and 99 % points of Student's t, from the usual printed tables
TABLE = {
    1: (12.706, 63.657),
    2: (4.303, 9.925),
    3: (3.182, 5.841),
    4: (2.776, 4.604),
    9: (2.262, 3.250),
    10: (2.228, 3.169),
    30: (2.042, 2.750),
}


@pytest.mark.parametrize(("freedom", "points"), TABLE.items())
def test_the_half_width_agrees_with_the_printed_table(freedom: int, points: tuple[float, float]) -> None:
    n = freedom + 1
    values = [0.0] * freedom + [float(n)]  # mean 1; the sum of squares about it is n (n - 1), so s is the root of n
    for level, point in zip((0.95, 0.99), points):
        found = interval(values, level)
        assert (found.mean, found.n) == (1.0, n)
        assert found.half == pytest.approx(point, abs=6e-4)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=30), st.floats(-1e3, 1e3), st.floats(0.01, 100), st.floats(0.5, 0.999))
def test_an_interval_moves_and_stretches_with_its_values(values: list[float], shift: float, scale: float, level: float) -> None:
    found, moved = interval(values, level), interval([shift + scale * value for value in values], level)
    assert moved.mean == pytest.approx(shift + scale * found.mean, rel=1e-9, abs=1e-6)
    assert moved.half == pytest.approx(scale * found.half, rel=1e-6, abs=1e-6 * scale)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=30, unique=True), st.floats(0.5, 0.99))
def test_a_higher_level_is_wider(values: list[int], level: float) -> None:
    assert interval(values, level + 0.005).half > interval(values, level).half > 0


def test_interval_of_three_values() -> None:
    found = interval([0.50, 0.52, 0.57])
    deviation = math.sqrt((0.03**2 + 0.01**2 + 0.04**2) / 2)
    assert found.mean == pytest.approx(0.53)
    assert found.half == pytest.approx(4.302653 * deviation / math.sqrt(3), rel=1e-6)


def test_one_value_has_no_interval_and_excludes_nothing() -> None:
    found = interval([0.3])
    assert found.mean == 0.3
    assert math.isnan(found.half)
    assert not found.excludes_zero


def test_a_steady_gain_is_seen_when_seeds_differ_more_than_the_gain() -> None:
    alone, distilled = [0.40, 0.50, 0.60], [0.421, 0.519, 0.620]
    found = paired(distilled, alone)
    assert found.excludes_zero
    assert found.mean == pytest.approx(0.02)
    assert interval(alone).half > 0.1


def test_values_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ValueError, match="pair"):
        paired([1.0, 2.0], [1.0])
