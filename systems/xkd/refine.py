"""Refinement: the patches of a teacher, weighed by the attention of both modalities (spec 6)."""

from __future__ import annotations

from torch import Tensor

MODES = ("mean", "softmax")


def cross_attention(own: Tensor, other: Tensor, mode: str = "mean") -> Tensor:
    """What CLS attends to among its own patches (B, heads, N), scaled by the mean attention in the other modality (B, heads, M).

    ``mean``, the published mode: own · mean(other) / mean(own). ``softmax``: the softmax over own patches of own · mean(other).
    """
    scaled = own * other.mean(-1, keepdim=True)
    return scaled.softmax(-1) if mode == "softmax" else scaled / own.mean(-1, keepdim=True)


def refined(features: Tensor, attention: Tensor) -> Tensor:
    """Patches (B, N, D), weighed by the mean over heads of (B, heads, N); their mean keeps the length that it had."""
    weighed = attention.mean(1)[..., None] * features
    before, after = (x.mean(1).square().sum(-1) for x in (features, weighed))
    return (before / after).sqrt()[:, None, None] * weighed
