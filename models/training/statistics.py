"""Means over seeds with their intervals (Student's t), and paired differences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A mean and the half width of its confidence interval; the half width is NaN for fewer than two values."""

    mean: float
    half: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0 (False if there is no interval)."""
        return abs(self.mean) > self.half


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean of ``values`` and ``t · s / √n``, s with n-1 in the denominator."""
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, 0)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, math.nan, 1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return Interval(mean, t_quantile(0.5 + level / 2, n - 1) * deviation / math.sqrt(n), n)


def paired(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Interval:
    """Interval of the mean of ``first[i] - second[i]``: both were measured under the same seed i."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values do not pair up")
    return interval([a - b for a, b in zip(first, second)], level)


def t_cdf(t: float, freedom: int) -> float:
    """Student's t distribution function for a whole number of degrees of freedom (finite sums of Abramowitz & Stegun 26.7.3-4)."""
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, sine = math.cos(angle), math.sin(angle)
    odd = freedom % 2
    term = total = cosine if odd else 1.0
    for k in range(3 if odd else 2, freedom, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if not odd:
        return 0.5 + 0.5 * sine * total
    return 0.5 + (angle + (sine * total if freedom > 1 else 0.0)) / math.pi


def t_quantile(probability: float, freedom: int) -> float:
    """The t with ``t_cdf(t) = probability``, for 0.5 <= probability < 1."""
    if freedom < 1 or not 0.5 <= probability < 1:
        raise ValueError(f"no t quantile for probability {probability} and {freedom} degrees of freedom")
    low, high = 0.0, 1.0
    while t_cdf(high, freedom) < probability:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if t_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2
