"""Overlap of segments that are given as distances (left, right) from a position that both contain; tensors (..., 2) -> (...)."""

from __future__ import annotations

import torch
from torch import Tensor

EPS = torch.finfo(torch.float32).eps


def intersection(a: Tensor, b: Tensor) -> Tensor:
    return torch.minimum(a, b).sum(-1)


def union(a: Tensor, b: Tensor) -> Tensor:
    """Union of two segments with a position in common, at least eps."""
    return (a.sum(-1) + b.sum(-1) - intersection(a, b)).clamp(min=EPS)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union."""
    return intersection(a, b) / union(a, b)


def giou_loss(a: Tensor, b: Tensor) -> Tensor:
    """1 - (IoU - (hull - union) / hull). Segments that contain the same position leave no gap: this is then 1 - IoU."""
    hull = torch.maximum(a, b).sum(-1)
    return 1 - (iou(a, b) - (hull - union(a, b)) / hull.clamp(min=EPS))


def ioa(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over the length of ``a``."""
    return intersection(a, b) / a.sum(-1).clamp(min=EPS)
