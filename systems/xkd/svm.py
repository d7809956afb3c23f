"""The linear SVM on frozen features, and features of both modalities for it (spec 10.3). scikit-learn: the extra ``svm``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cache.errors import ConfigError
from systems.xkd.metrics import top

Array = npt.NDArray[np.floating]
SEED = 99999
ITERATIONS = 1000


class Linear(NamedTuple):
    """An SVM: weights (classes, D) and bias (classes,), -inf of a class that it did not learn."""

    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]

    def decisions(self, clips: Array) -> npt.NDArray[np.float64]:
        """Decision values (files, classes) of features (files, clips, D): the mean over clips."""
        values: npt.NDArray[np.float64] = (clips @ self.weights.T + self.bias).mean(1)
        return values


class Result(NamedTuple):
    """Of one cost: decision values (videos, classes), top-1 and top-5 in percent, and the SVM."""

    cost: float
    decisions: npt.NDArray[np.float64]
    top1: float
    top5: float
    svm: Linear


def sweep(
    train: tuple[Array, npt.NDArray[np.integer]],
    test: tuple[Array, npt.NDArray[np.integer]],
    costs: Sequence[float],
    *,
    standardise: bool = False,
    seed: int | None = SEED,
) -> Iterator[Result]:
    """Train one-vs-rest on (n, D), test on (videos, clips, D) with the decision values averaged over clips, for every cost.

    Labels are 0 to classes - 1. Which cost to report is the caller's choice; published numbers take the best on the test set (quirk 13).
    Raises ConfigError without scikit-learn.
    """
    try:
        from sklearn.preprocessing import StandardScaler
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise ConfigError(f"the linear SVM needs scikit-learn: {error}", hint='pip install "kdpipe[svm]"') from error
    (x, y), (clips, labels) = train, test
    rows = clips.reshape(-1, clips.shape[-1])
    mean, scale = np.zeros(x.shape[-1]), np.ones(x.shape[-1])
    if standardise:
        scaler = StandardScaler().fit(x)
        x, rows = scaler.transform(x), scaler.transform(rows)
        mean, scale = scaler.mean_, scaler.scale_
    for cost in costs:
        svm = LinearSVC(C=cost, max_iter=ITERATIONS, random_state=seed).fit(x, y)
        decisions = svm.decision_function(rows)
        if decisions.ndim == 1:
            decisions = np.stack([-decisions, decisions], -1)
        whole = np.full((len(rows), int(svm.classes_.max()) + 1), -np.inf)
        whole[:, svm.classes_] = decisions
        each = whole.reshape(*clips.shape[:2], -1).mean(1)
        yield Result(cost, each, top(each, labels, 1), top(each, labels, 5), _linear(svm, mean, scale))


def _linear(svm: Any, mean: npt.NDArray[np.float64], scale: npt.NDArray[np.float64]) -> Linear:
    """What was learnt, for features as they are, before they are standardised."""
    coefficients, intercepts = np.asarray(svm.coef_, np.float64), np.asarray(svm.intercept_, np.float64)
    if len(coefficients) == 1:  # of two classes there is one row
        coefficients, intercepts = np.concatenate([-coefficients, coefficients]), np.concatenate([-intercepts, intercepts])
    count = int(svm.classes_.max()) + 1
    weights, bias = np.zeros((count, coefficients.shape[1])), np.full(count, -np.inf)
    weights[svm.classes_] = coefficients / scale
    bias[svm.classes_] = intercepts - weights[svm.classes_] @ mean
    return Linear(weights, bias)


def unit(features: Array) -> Array:
    """(..., D), each of length 1; zeros stay zeros."""
    lengths = np.maximum(np.linalg.norm(features, axis=-1, keepdims=True), 1e-12)
    return np.asarray(features / lengths)


def audiovisual(video: Array, audio: Array, crops: int = 3) -> tuple[Array, Array, Array]:
    """Features of both modalities, and the SVM's input that joins them: (videos, clips, D), (videos, clips, E), (videos, clips, D + E).

    video: (videos, clips · crops, D), the crops of a clip together, each brought to length 1 and then averaged over crops.
    audio: (videos, clips, E), brought to length 1.
    """
    seen = unit(video).reshape(len(video), -1, crops, video.shape[-1]).mean(2)
    heard = unit(audio)
    return seen, heard, np.concatenate([seen, heard], -1)
