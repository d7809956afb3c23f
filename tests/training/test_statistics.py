"""Intervals over seeds against a printed table of Student's t, and against what must hold for any values."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.statistics import interval, paired, t_cdf, t_quantile

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
def test_quantiles_agree_with_the_printed_table(freedom: int, points: tuple[float, float]) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(points[0], abs=6e-4)
    assert t_quantile(0.995, freedom) == pytest.approx(points[1], abs=6e-4)


@given(st.floats(0.5, 0.9999), st.integers(1, 60))
def test_the_quantile_inverts_the_distribution(probability: float, freedom: int) -> None:
    assert t_cdf(t_quantile(probability, freedom), freedom) == pytest.approx(probability, abs=1e-9)


@given(st.floats(-50, 50), st.integers(1, 40))
def test_the_distribution_is_symmetric(t: float, freedom: int) -> None:
    assert t_cdf(t, freedom) + t_cdf(-t, freedom) == pytest.approx(1, abs=1e-12)


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
