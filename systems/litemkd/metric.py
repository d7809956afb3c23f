"""Accuracy of episodes, and how sure the mean is (spec F)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def accuracies(logits: npt.ArrayLike, labels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The share of an episode's queries whose largest logit is that of their label: (E, Nq, W) and (E, Nq) to (E,)."""
    predicted = np.asarray(logits).argmax(-1)
    return (predicted == np.asarray(labels)).mean(-1)


def summary(accuracies: npt.ArrayLike) -> tuple[float, float]:
    """Mean and half width of its 95 % interval, both in percent: 196 sd / sqrt(E), sd over the E episodes and not over E - 1."""
    each = np.asarray(accuracies, np.float64)
    return 100 * float(each.mean()), 196 * float(each.std()) / len(each) ** 0.5
