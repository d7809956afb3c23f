"""Accuracies in percent, and what multi-label tests report (spec 12)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]


def top(scores: Array, labels: npt.NDArray[np.integer], k: int) -> float:
    """Percent of rows (n, classes) whose label is among the k largest scores."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((best == labels[:, None]).any(1).mean() * 100)


def over_clips(logits: Array) -> npt.NDArray[np.float64]:
    """(videos, clips, classes) to (videos, classes): the mean of the softmax."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    mean: npt.NDArray[np.float64] = (shifted / shifted.sum(-1, keepdims=True)).mean(1)
    return mean


def each_over_clips(logits: Array) -> npt.NDArray[np.float64]:
    """The same where files may have several classes: the mean of each class's own probability."""
    mean: npt.NDArray[np.float64] = (1 / (1 + np.exp(-logits.astype(np.float64)))).mean(1)
    return mean


def average_precision(scores: Array, positive: npt.NDArray[np.bool_]) -> float:
    """The step-wise area under precision over recall; equal scores are one threshold. (n,), (n,); nan without a positive."""
    if not positive.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(positive[order])[ends]
    return float(np.sum(np.diff(hits, prepend=0) * hits / (ends + 1)) / positive.sum())


def area_under_roc(scores: Array, positive: npt.NDArray[np.bool_]) -> float:
    """The chance that a positive is above a negative, ties counted half. (n,), (n,); nan if all are of one kind."""
    from scipy.stats import rankdata  # loading it takes half a second, and a prediction needs other parts of this module

    n = int(positive.sum())
    if n in (0, len(positive)):
        return float("nan")
    return float((rankdata(scores)[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


class MultiLabel(NamedTuple):
    """Fractions: means over the classes that have a positive; ``weighted`` by how many they have; every class's AP, 0 without positives."""

    mean_ap: float
    mean_auc: float
    weighted_ap: float
    ap: npt.NDArray[np.float64]


def multi_label(scores: Array, wanted: Array) -> MultiLabel:
    """(n, classes), (n, classes) of 0 and 1."""
    positive = wanted > 0
    count = positive.sum(0)
    have = count > 0
    ap = np.array([average_precision(*column) for column in zip(scores.T, positive.T)])
    auc = np.array([area_under_roc(*column) for column in zip(scores.T, positive.T)])
    return MultiLabel(
        float(ap[have].mean()),
        float(np.nanmean(auc[have])),
        float(np.average(ap[have], weights=count[have])),
        np.where(have, ap, 0.0),
    )
