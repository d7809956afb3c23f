"""Ordered temporal alignment (OTAM; Cao et al., CVPR 2020): the soft cost of the cheapest path through two clips (spec C.4)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from cache.errors import one_of
from systems.litemkd.grouping import by_class

LOGITS = ("distance", "softmax")


def frame_distances(query: Tensor, support: Tensor, epsilon: float = 0.01) -> Tensor:
    """1 - <x, y> / (|x||y| + epsilon) of all frames: (Nq, T, D) and (Ns, T, D) give (Nq, Ns, T, T)."""
    products = torch.einsum("qtd,sud->qstu", query, support)
    norms = query.norm(dim=-1)[:, None, :, None] * support.norm(dim=-1)[None, :, None, :]
    return 1 - products / (norms + epsilon)


def alignment(distances: Tensor, smoothing: float = 0.1) -> Tensor:
    """Soft cost of the cheapest path: (..., T, U) to (...).

    A column of zeros on either side lets a path begin and end anywhere. The first row is a running sum. Below it, a cell is reached from
    the left, or from the row above one column before; the first and the last column of frames are also reached from straight above.
    """
    costs = F.pad(distances, (1, 1)).unbind(-2)
    last = costs[0].shape[-1] - 1
    above = costs[0].cumsum(-1).unbind(-1)
    for row in costs[1:]:
        reached = [torch.zeros_like(above[0])]
        for column in range(1, last + 1):
            ways = [above[column - 1], reached[column - 1]]
            if column in (1, last):
                ways.append(above[column])
            soft_minimum = -smoothing * torch.logsumexp(torch.stack(ways) / -smoothing, 0)
            reached.append(row[..., column] + soft_minimum)
        above = tuple(reached)
    return above[-1]


def class_distances(
    support: Tensor, labels: Tensor, query: Tensor, way: int | None = None, *, smoothing: float = 0.1, epsilon: float = 0.01
) -> Tensor:
    """Alignment of the queries with the support clips, both ways round, mean over the clips of a class: (Nq, W)."""
    apart = frame_distances(query, support, epsilon)
    both = alignment(torch.stack([apart, apart.transpose(-1, -2)]), smoothing).sum(0)
    return torch.stack([both[:, group].mean(1) for group in by_class(labels, way)], 1)


def otam(
    support: Tensor,
    labels: Tensor,
    query: Tensor,
    way: int | None = None,
    *,
    logits: str = "distance",
    smoothing: float = 0.1,
    epsilon: float = 0.01,
) -> Tensor:
    """Logits (Nq, W): minus the class distances. ``"softmax"`` is the published copy: their softmax, and zeros if the support has a NaN."""
    one_of("otam_logits", logits, LOGITS)
    distances = class_distances(support, labels, query, way, smoothing=smoothing, epsilon=epsilon)
    if logits == "distance":
        return -distances
    return torch.zeros_like(distances) if support.isnan().any() else (-distances).softmax(1)
