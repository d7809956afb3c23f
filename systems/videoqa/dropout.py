"""Dropout that is quick on a CPU.

PyTorch's CPU kernel draws one Bernoulli number an entry; here one 64-bit draw serves four entries, 16 bits each. The rate is
met to 1/65536 and the scale is that of the rate actually used, so expectations are exact. Off the CPU PyTorch's own runs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LEVELS = 1 << 16
LANES = 4


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Zero entries of ``x`` at ``rate`` (0 <= rate < 1) and scale the others by 1/(1-rate); nothing unless ``training``."""
    zeroed = round(rate * LEVELS)
    if not training or zeroed == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, rate, True)
    draws = torch.empty((x.numel() + LANES - 1) // LANES, dtype=torch.int64).random_(-(1 << 63), None)
    highest = zeroed - LEVELS // 2 - 1  # of those that zero an entry
    kept = draws.view(torch.int16)[: x.numel()].clamp_(highest, highest + 1).to(x.dtype).sub_(highest)  # thrice as quick as comparing
    return x * kept.view(x.shape).mul_(LEVELS / (LEVELS - zeroed))


class Dropout(nn.Dropout):
    """Module form of :func:`dropout`."""

    def forward(self, x: Tensor) -> Tensor:
        return dropout(x, self.p, self.training)
