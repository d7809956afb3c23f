"""mAP is the published walk, detection by detection, with ties decided; what is not scored is counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gkd_map import drawn_detections, drawn_truth, plain_map
from cache.errors import DataError
from systems.gkd.detection.average_precision import AFSD, RELEASED, interpolated, mean_average_precision, tiou
from systems.gkd.detection.instances import instances

TRUTH = instances([("a", "jump", 0, 10), ("a", "jump", 20, 30), ("b", "dive", 5, 8)])


@pytest.mark.parametrize("thresholds", [AFSD, RELEASED, (0.0, 0.95)])
@pytest.mark.parametrize(("seed", "count"), [(0, 1), (1, 60), (2, 3000)])
def test_it_agrees_with_the_walk(seed: int, count: int, thresholds: tuple[float, ...]) -> None:
    chance = np.random.default_rng(seed)
    truth = drawn_truth(chance)
    found = drawn_detections(truth, count, chance)
    assert np.array_equal(mean_average_precision(truth, found, thresholds).average_precision, plain_map(truth, found, thresholds))


def test_an_instance_is_found_once_and_the_next_best_is_taken() -> None:
    truth = instances([("a", "jump", 0, 10), ("a", "jump", 2, 12)])
    found = instances([("a", "jump", 1, 11.5), ("a", "jump", 1.5, 11.5), ("a", "jump", 1, 11)], [0.9, 0.8, 0.7])
    scores = mean_average_precision(truth, found, (0.5, 0.96))
    assert scores.average_precision.ravel().tolist() == [1.0, 0.0]
    assert mean_average_precision(truth, instances([("a", "jump", 0, 9)] * 2, [0.9, 0.8]), (0.7,)).average == 0.5


def test_of_equal_scores_the_last_comes_first() -> None:
    right, wrong = ("b", "dive", 5.0, 8.0), ("b", "dive", 50.0, 80.0)
    assert mean_average_precision(TRUTH, instances([wrong, right], [0.5, 0.5]), (0.5,)).average_precision[0, 1] == 1.0
    assert mean_average_precision(TRUTH, instances([right, wrong], [0.5, 0.5]), (0.5,)).average_precision[0, 1] == 0.5


def test_what_is_not_scored_is_counted_and_changes_nothing() -> None:
    rows, scores = [("a", "jump", 0, 10), ("a", "jump", 100, 110)], [0.4, 0.9]
    alone = mean_average_precision(TRUTH, instances(rows, scores))
    more = mean_average_precision(
        TRUTH, instances([*rows, ("c", "jump", 0, 1), ("c", "swim", 0, 1), ("a", "swim", 0, 1)], [*scores, 1, 1, 1])
    )
    assert np.array_equal(alone.average_precision, more.average_precision)
    assert (more.unscored, more.unknown, more.detections, more.instances) == ({"c": 2}, {"swim": 2}, 2, 3)
    assert alone.undetected == ("dive",) and alone.mean.tolist() == [0.125] * 5


def test_no_detection_scores_nothing() -> None:
    assert mean_average_precision(TRUTH, instances([], [])).average == 0.0


def test_numbers_that_are_none_are_refused() -> None:
    for rows, scores in (([("b", "dive", np.nan, 2)], [0.5]), ([("b", "dive", 1, 2)], [np.nan]), ([("b", "dive", 1, np.inf)], [0.5])):
        with pytest.raises(DataError, match="detections: 1 of 1 have a time or a score that is no number; the first is of 'b'"):
            mean_average_precision(TRUTH, instances(rows, scores))
    with pytest.raises(DataError, match="no instance"):
        mean_average_precision(instances([]), instances([]))


def test_overlap_of_segments_apart_touching_and_without_length() -> None:
    a = np.array([[0.0, 2.0], [3.0, 3.0]])
    assert tiou(a, np.array([[1.0, 3.0], [2.0, 4.0], [5.0, 6.0]])).tolist() == [[1 / 3, 0, 0], [0, 0, 0]]


def test_precision_is_the_best_at_this_recall_or_a_higher_one() -> None:
    assert interpolated(np.array([0, 1 / 2, 2 / 3]), np.array([0, 1 / 2, 1])) == pytest.approx(2 / 3)
