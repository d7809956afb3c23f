"""GAP, mAP, Hit@1, PERR and the submission file."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.errors import ConfigError, DataError
from systems.fewerframes.average_precision import average_precision
from systems.fewerframes.metrics import Measured, Metrics
from systems.fewerframes.submission import document, lines


def data(videos: int = 40, classes: int = 30, decimals: int | None = None, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    scores = generator.random((videos, classes)).astype(np.float32)
    labels = (generator.random((videos, classes)) < 0.1).astype(np.float32)
    return scores if decimals is None else np.round(scores, decimals), labels


def measure(scores: np.ndarray, labels: np.ndarray, size: int = 7, **options: object) -> Measured:
    metrics = Metrics(scores.shape[1], **options)
    for start in range(0, len(scores), size):
        metrics.add(scores[start : start + size], labels[start : start + size])
    return metrics.result()


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.sampled_from([None, 1]), st.integers(0, 5))
def test_batches_do_not_matter(size: int, decimals: int | None, seed: int) -> None:
    scores, labels = data(decimals=decimals, seed=seed)
    whole, streamed = measure(scores, labels, 40), measure(scores, labels, size)
    assert (streamed.gap, streamed.map_all, streamed.map_positive) == (whole.gap, whole.map_all, whole.map_positive)
    assert (streamed.hit_at_one, streamed.perr) == pytest.approx((whole.hit_at_one, whole.perr))


def test_without_ties_both_tie_orders_agree() -> None:
    scores, labels = data()
    ours, theirs = measure(scores, labels), measure(scores, labels, tie_break="reference")
    assert (ours.gap, ours.map_all, ours.perr) == pytest.approx((theirs.gap, theirs.map_all, theirs.perr), abs=1e-12)
    assert ours.gap_bounds == (ours.gap, ours.gap) and ours.perr_bounds == pytest.approx((ours.perr, ours.perr))


@pytest.mark.parametrize("tie_break", ["index", "reference"])
def test_with_ties_both_orders_lie_within_the_bounds(tie_break: str) -> None:
    scores, labels = data(decimals=1)
    result = measure(scores, labels, tie_break=tie_break)
    assert result.gap_bounds[0] < result.gap < result.gap_bounds[1]
    assert result.perr_bounds[0] <= result.perr <= result.perr_bounds[1]


def test_perfect_scores_give_one_everywhere() -> None:
    _, labels = data()
    labels[labels.sum(1) == 0, 0] = 1
    result = measure(labels + 0.0, labels)
    assert result.gap == 1.0 and result.hit_at_one == 1.0 and result.perr == 1.0 and result.map_positive == 1.0


def test_classes_without_positives_count_in_one_map_only() -> None:
    scores, labels = data()
    labels[:, 7] = 0
    result = measure(scores, labels)
    found = int((labels.sum(0) > 0).sum())
    assert result.ap[7] == 0.0 and found < 30
    assert result.map_all == pytest.approx(result.map_positive * found / 30)


def test_positives_beyond_the_answers_kept_still_count() -> None:
    scores, labels = np.array([[0.9, 0.8, 0.7]]), np.array([[1, 0, 1]])
    assert measure(scores, labels, top_k=1).gap == 0.5
    assert measure(scores, labels, top_k=3).gap == pytest.approx((1 + 2 / 3) / 2)


def test_a_video_without_labels_counts_in_perr_and_hit() -> None:
    result = measure(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([[1, 0], [0, 0]]))
    assert (result.perr, result.hit_at_one) == (0.5, 0.5)


def test_a_positive_with_score_zero_does_not_count_in_perr() -> None:
    assert measure(np.array([[0.5, 0.0, 0.0]]), np.array([[1, 1, 1]])).perr == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 4)), "do not fit"),
        (np.zeros((2, 5)), np.zeros((2, 5)), "3 classes"),
        (np.array([[0.1, 0.2, 0.3], [0.1, np.nan, 0.3]]), np.zeros((2, 3)), "video 1 are not all finite"),
    ],
)
def test_what_cannot_be_measured_is_refused(scores: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Metrics(3).add(scores, labels)


def test_no_video_and_an_unknown_tie_order_are_errors() -> None:
    with pytest.raises(DataError, match="no video"):
        Metrics(3).result()
    with pytest.raises(ConfigError, match="reference"):
        Metrics(3, tie_break="referense")


def test_average_precision_of_a_cut_list_and_without_positives() -> None:
    scores, hits = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, True])
    assert average_precision(scores, hits) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert average_precision(scores, hits, cut=2) == pytest.approx(1 / 2)
    assert average_precision(scores, hits, 10, cut=2) == pytest.approx(1 / 2)
    assert average_precision(scores, hits, 0) == 0.0


def test_metrics_need_no_torch() -> None:
    code = "import sys, systems.fewerframes.metrics, systems.fewerframes.submission; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_submission_line_has_the_best_classes_in_order() -> None:
    row = np.array([[0.5, 0.25, 0.61, 0.25]], np.float32)
    assert list(lines(["Qk1d"], row, 3)) == ["Qk1d,2 0.61 0 0.5 1 0.25\n"]
    whole = "".join(document([(["a"], row), (["b"], row)], 1))
    assert whole == "VideoId,LabelConfidencePairs\na,2 0.61\nb,2 0.61\n"
