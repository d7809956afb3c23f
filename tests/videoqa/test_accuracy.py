"""Accuracy overall and per question type."""

from __future__ import annotations

import math

import numpy as np

from systems.videoqa.accuracy import accuracy, predict

TOKENS = {"<NULL>": 0, "<UNK>": 1, "what": 2, "is": 3, "where": 4, "who": 5}


def test_the_first_token_is_the_type_and_other_words_count_only_overall() -> None:
    result = accuracy(np.array([3, 4, 5, 6]), np.array([3, 9, 5, 6]), np.array([2, 2, 3, 4]), TOKENS)
    assert (result.overall, result.count) == (0.75, 4)
    assert result.per_type == {"what": 0.5, "where": 1.0}
    assert result.counts == {"what": 2, "where": 1}


def test_types_that_do_not_occur_or_are_no_words_are_left_out() -> None:
    assert "how" not in accuracy(np.array([1]), np.array([1]), np.array([0]), {"<NULL>": 0}).per_type


def test_no_questions_have_no_accuracy() -> None:
    none = np.array([], np.int64)
    assert math.isnan(accuracy(none, none, none, TOKENS).overall)


def test_ties_go_to_the_first_answer() -> None:
    assert predict(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]])).tolist() == [0, 1]


def test_labels_of_shape_n_by_one_are_not_broadcast() -> None:
    assert accuracy(np.array([3, 4]), np.array([[3], [4]]), np.array([2, 2]), TOKENS).overall == 1.0
