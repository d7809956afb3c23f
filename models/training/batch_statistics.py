"""Batch normalisation in training as numbers a channel: what it does to a map, and to a gradient, is a sum of multiples of maps.

    y = a c + b                    a = gain / deviation,   b = bias - a mean
    dc = a dy - a h c' / n - a s / n,   c' = (c - mean) / deviation,   s = sum of dy,   h = sum of dy c'

over the n pixels of all images. Sums come in float64, so that a variance is the difference of two of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Statistics:
    """Of n values a channel: mean and one over the deviation, float64 (C,), with the gain float64 and the bias float32."""

    count: int
    mean: Tensor
    inverse: Tensor
    gain: Tensor
    bias: Tensor

    @property
    def a(self) -> Tensor:
        """Float32 (C,)."""
        return (self.gain * self.inverse).float()

    @property
    def b(self) -> Tensor:
        """Float32 (C,)."""
        return (self.bias - self.gain * self.inverse * self.mean).float()

    def backward(self, totals: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor]:
        """Of the sums of dy and of dy c, (2, C): a, b and d in dc = a dy + b c + d, and the gradients of gain and bias. Float32 (C,)."""
        summed, product = totals
        shared = (product - self.mean * summed) * self.inverse
        a = self.gain * self.inverse
        b = -a * self.inverse * shared / self.count
        d = -a * summed / self.count - b * self.mean
        return (a.float(), b.float(), d.float()), shared.float(), summed.float()


@torch.no_grad()
def observe(norm: nn.BatchNorm2d, totals: Tensor, count: int) -> Statistics:
    """Statistics of ``count`` values a channel, of which ``totals`` (2, C) are the sums and the sums of squares; moves the running ones."""
    mean = totals[0] / count
    variance = (totals[1] / count - mean * mean).clamp_min(0)
    if norm.running_mean is not None and norm.running_var is not None and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
        weight = norm.momentum if norm.momentum is not None else 1 / int(norm.num_batches_tracked)
        norm.running_mean.lerp_(mean.float(), weight)
        norm.running_var.lerp_((variance * (count / (count - 1))).float(), weight)
    return Statistics(count, mean, (variance + norm.eps).rsqrt(), norm.weight.detach().double(), norm.bias.detach())
