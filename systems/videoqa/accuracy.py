"""Accuracy overall and per question type (spec 9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

QUESTION_TYPES = ("what", "who", "how", "when", "where")


@dataclass(frozen=True)
class Accuracy:
    """Fractions of correct answers; the two maps hold only the types that occur, in the order of ``QUESTION_TYPES``.

    ``overall`` is NaN without questions.
    """

    overall: float
    count: int
    per_type: Mapping[str, float]
    counts: Mapping[str, int]


def predict(logits: np.ndarray) -> np.ndarray:
    """Return the answer ids (n,) of ``logits`` (n,A): the largest over all answers, the first on ties."""
    return np.asarray(logits).argmax(axis=1)


def accuracy(predicted: np.ndarray, answers: np.ndarray, first_tokens: np.ndarray, question_token_to_idx: Mapping[str, int]) -> Accuracy:
    """Compare answer ids (n,) with the encoded answers (n,).

    A question's type is the token at position 0 (``first_tokens`` (n,)); others count only overall. Out-of-vocabulary
    answers are encoded as 1 in val and test, which no training question has, so they count as wrong unless 1 is predicted.
    """
    correct = np.asarray(predicted).reshape(-1) == np.asarray(answers).reshape(-1)
    first = np.asarray(first_tokens).reshape(-1)
    per_type, counts = {}, {}
    for name in QUESTION_TYPES:
        mine = first == question_token_to_idx.get(name, -1)
        if mine.any():
            per_type[name], counts[name] = float(correct[mine].mean()), int(mine.sum())
    overall = float(correct.mean()) if correct.size else float("nan")
    return Accuracy(overall, int(correct.size), per_type, counts)
