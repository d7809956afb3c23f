"""PyTorch, operation by operation: normalisations folded, channels last in memory, on a CPU with packed convolutions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.backbones.fold import fold_batch_norm
from models.inference.runtimes.packed import LAYOUTS, Special, can_pack, pack


def prepare(net: nn.Module, example: Tensor, precision: str, lanes: int, special: Special | None = None) -> Callable[[Tensor], Tensor]:
    """See :func:`models.inference.runtimes.prepare`; ``special`` as :func:`models.inference.runtimes.packed.pack` has it."""
    quick, dtype = quicken(net), getattr(torch, precision)
    if not can_pack(example.device, dtype):
        return tap(quick, precision)
    features = pack(quick.to(dtype), example.to(dtype), special)

    def feature(x: Tensor) -> Tensor:
        pooled: Tensor = quick.pool(features(x.to(dtype)).float())  # type: ignore[operator]
        return pooled

    return feature


def tap(quick: nn.Module, precision: str) -> Callable[[Tensor], Tensor]:
    """``feature`` of a network with the convolutions in ``precision``; the pooling always sums in float32."""
    dtype = getattr(torch, precision)
    quick.to(dtype)

    def feature(x: Tensor) -> Tensor:
        pooled: Tensor = quick.pool(quick.forward_features(x.to(dtype)).float())  # type: ignore[operator]
        return pooled

    return feature


def quicken(net: nn.Module) -> nn.Module:
    """A copy of ``net`` with its batch normalisations folded and its weights laid out with the channels last."""
    quick = fold_batch_norm(net).requires_grad_(False)
    for weights in quick.parameters():
        if weights.dim() in LAYOUTS:
            weights.data = weights.data.contiguous(memory_format=LAYOUTS[weights.dim()])
    return quick
