"""Soft-NMS is the published loop over all candidates, faster; its quirk is a switch."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gkd_map import plain_soft_nms
from cache.errors import ConfigError
from systems.gkd.detection.soft_nms import nms, soft_nms


def drawn(seed: int, count: int, span: float) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    starts = (chance.random(count) * span).astype(np.float32)
    return np.stack([starts, starts + chance.normal(4, 3, count).astype(np.float32)], 1), chance.random(count).astype(np.float32) ** 3


@pytest.mark.parametrize("sigma", [0.1, 0.5])
@pytest.mark.parametrize(("seed", "count", "span"), [(0, 1, 9), (1, 2, 9), (2, 40, 20), (3, 300, 60), (4, 300, 3000), (5, 500, 1)])
def test_it_agrees_with_the_loop_over_all_candidates(seed: int, count: int, span: float, sigma: float) -> None:
    segments, scores = drawn(seed, count, span)  # some end before they begin
    kept, new = soft_nms(segments, scores, sigma=sigma)
    wanted, decayed = plain_soft_nms(segments, scores, sigma)
    assert kept.tolist() == wanted.tolist()
    assert new == pytest.approx(decayed, rel=1e-5)


def test_equal_candidates_are_taken_in_their_order() -> None:
    segments = np.array([[5, 9], [0, 4], [5, 9], [0, 4]], np.float32)
    kept, new = soft_nms(segments, np.full(4, 0.5, np.float32), sigma=0.5, top_k=2)
    assert kept.tolist() == [0, 1] and new.tolist() == [0.5, 0.5]


def test_the_last_candidate_is_lost_as_published_or_kept() -> None:
    segments, scores = np.array([[0, 1], [5, 6], [10, 11]], np.float32), np.array([0.5, 0.2, 0.9], np.float32)
    assert soft_nms(segments, scores, sigma=0.5)[0].tolist() == [0, 2]
    assert soft_nms(segments, scores, sigma=0.5, last="kept")[0].tolist() == [0, 1, 2]
    assert soft_nms(segments[:1], scores[:1], sigma=0.5)[0].tolist() == []
    assert soft_nms(segments[:1], scores[:1], sigma=0.5, last="kept")[0].tolist() == [0]
    with pytest.raises(ConfigError, match="last"):
        soft_nms(segments, scores, sigma=0.5, last="kpt")


def test_no_candidate_and_what_is_no_number_give_nothing() -> None:
    none, scores = soft_nms(np.empty((0, 2)), np.empty(0), sigma=0.5)
    assert none.shape == scores.shape == (0,)
    segments = np.array([[0, 2], [np.nan, 5], [1, 2], [0.5, 3], [4, np.inf]], np.float32)
    kept, new = soft_nms(segments, np.array([np.nan, 0.9, 0.8, 0.7, 0.6], np.float32), sigma=0.5, last="kept")
    assert kept.tolist() == [2, 3] and np.isfinite(new).all()


def test_the_scores_given_are_left_as_they_are() -> None:
    segments, scores = drawn(0, 50, 5)
    before = scores.copy()
    soft_nms(segments, scores, sigma=0.1)
    assert np.array_equal(scores, before)


def test_greedy_nms_excludes_what_overlaps_by_more() -> None:
    segments = np.array([[0, 10], [1, 10], [0, 5], [20, 30]], np.float32)
    assert nms(segments, np.array([0.9, 0.95, 0.5, 0.1]), 0.5).tolist() == [1, 2, 3]
    assert nms(segments, np.array([0.9, 0.95, 0.5, 0.1]), 0.3).tolist() == [1, 3]
