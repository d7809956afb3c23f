"""Paired statistics over items: against values known from elsewhere, and where they can be worked out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from models.evaluation.paired_items import bootstrap, mcnemar


def test_mcnemar_is_the_exact_binomial_test_of_the_items_on_which_two_disagree() -> None:
    # Agresti, Categorical Data Analysis, table 10.1: 150 and 86 changed their minds
    assert mcnemar(150, 86) == pytest.approx(binomtest(86, 236, 0.5).pvalue) == pytest.approx(3.7e-5, rel=0.02)
    assert mcnemar(1, 9) == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(9, 1) == mcnemar(1, 9)
    assert mcnemar(0, 5) == pytest.approx(2 / 2**5)


def test_mcnemar_says_nothing_where_two_disagree_on_nothing_or_evenly() -> None:
    assert mcnemar(0, 0) == mcnemar(7, 7) == 1.0


def test_the_interval_of_many_items_is_that_of_the_normal_distribution() -> None:
    differences = np.repeat([1.0, -1.0, 0.0], [300, 200, 1500])
    found = bootstrap(differences)
    error = differences.std() / math.sqrt(len(differences))
    assert found.mean == pytest.approx(0.05)
    assert (found.low, found.high) == pytest.approx((0.05 - 1.96 * error, 0.05 + 1.96 * error), abs=0.1 * error)
    assert found.excludes_zero and (found.items, found.groups) == (2000, 2000)


def test_a_wider_level_gives_a_wider_interval() -> None:
    differences = [1.0, 0.0, -1.0, 0.0, 1.0, 1.0] * 20
    narrow, wide = bootstrap(differences, level=0.5), bootstrap(differences, level=0.99)
    assert wide.low < narrow.low < narrow.mean < narrow.high < wide.high


def test_items_of_a_video_are_drawn_together_so_that_equal_ones_count_as_one() -> None:
    differences = [1.0] * 60 + [-1.0] * 40
    alone = bootstrap(differences)
    grouped = bootstrap([one for one in differences for _ in range(10)], [place for place in range(100) for _ in range(10)])
    assert (grouped.low, grouped.high) == pytest.approx((alone.low, alone.high))
    assert (grouped.items, grouped.groups) == (1000, 100)
    assert bootstrap([one for one in differences for _ in range(10)]).low > grouped.low


def test_groups_of_other_sizes_weigh_as_much_as_they_have_items() -> None:
    found = bootstrap([1.0, 1.0, 1.0, -1.0], ["a", "a", "a", "b"])
    assert found.mean == 0.5 and (found.low, found.high) == (-1.0, 1.0)


def test_the_interval_depends_on_no_order_of_items() -> None:
    differences, groups = [0.5, -0.5, 1.0, 0.0, 0.1, 0.7], ["a", "b", "a", "c", "c", "a"]
    back = bootstrap(differences[::-1], groups[::-1])
    assert bootstrap(differences, groups) == back


def test_no_item_and_items_without_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="no item"):
        bootstrap([])
    with pytest.raises(ValueError, match="2 items have 1 groups"):
        bootstrap([1.0, 0.0], ["a"])
