"""Means over replicates (seeds, folds) with their intervals (Student's t), and paired differences."""

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
    from scipy.special import stdtrit

    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    return Interval(mean, float(stdtrit(n - 1, 0.5 + level / 2)) * deviation / math.sqrt(n), n)


def paired(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Interval:
    """Interval of the mean of ``first[i] - second[i]``: both were measured under the same conditions i."""
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values do not pair up")
    return interval([a - b for a, b in zip(first, second)], level)
