"""The head without parameters: distances between mean frames ("meta baseline", spec C.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from systems.litemkd.grouping import by_class


def mean_distance(support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> Tensor:
    """Logits (Nq, W): minus the mean Euclidean distance of a query's mean frame from those of a class's clips.

    ``support`` is (Ns, T, D), ``query`` (Nq, T, D). The distance is not squared.
    """
    return compare_means(support.mean(1), labels, query.mean(1), way)


def compare_means(support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> Tensor:
    """The same of mean frames (Ns, D) and (Nq, D)."""
    apart = torch.cdist(query, support, compute_mode="donot_use_mm_for_euclid_dist")
    return -torch.stack([apart[:, group].mean(1) for group in by_class(labels, way)], 1)
