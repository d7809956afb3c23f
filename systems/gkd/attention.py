"""Attention over (channel, time) of a feature map, and features weighted by it (spec 3.2, 3.3).

Both parts are plain ``Sequential``, so that networks can hold them under the published names (``deconv1``, ``Att_Head_5c``, ...).
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from systems.gkd.whole_frame import ToPoints

#: groups of a GroupNorm of the published sizes
GROUPS = 32


def group_norm(channels: int) -> nn.GroupNorm:
    """GroupNorm with 32 groups, or with as many as divide both 32 and ``channels``."""
    return nn.GroupNorm(math.gcd(GROUPS, channels), channels)


class Unit1d(nn.Module):
    """Conv1d with bias, same length out as in; state ``conv1d.*``."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv1d = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv1d(x)


def spatial_reduction(channels: int, hidden: int, kernel: int) -> nn.Sequential:
    """Maps (B, C, T, k, k) to (B, hidden, T, 1, 1): one window over all of a frame, GroupNorm, ReLU."""
    return nn.Sequential(ToPoints(channels, hidden, kernel), group_norm(hidden), nn.ReLU())


def attention_head(hidden: int, channels: int, steps: int) -> nn.Sequential:
    """(B, hidden, C) to (B, C, steps), in 0..1. The last axis of the input is time, stretched to C positions: ``Linear`` acts on it."""
    return nn.Sequential(Unit1d(hidden, channels, 3), group_norm(channels), nn.ReLU(), nn.Linear(channels, steps), nn.Sigmoid())


def attend(reduction: nn.Module, head: nn.Sequential, features: Tensor) -> Tensor:
    """The attention (B, C, T) of a map (B, C, T, k, k). The head was made for T steps and C channels."""
    unit, *others = head
    assert isinstance(unit, Unit1d)
    attention = stretched(unit.conv1d, reduction(features).flatten(2), features.shape[1])
    for module in others:
        attention = module(attention)
    return attention


def stretched(convolution: nn.Conv1d, x: Tensor, length: int) -> Tensor:
    """A convolution of kernel 3 over ``x`` (B, C, T) stretched to ``length`` by repeating its steps (nearest): (B, outputs, length).

    Where the three inputs are the same as one position before, so is the output: it is computed once. With T = 8 and 1024 positions that
    is a fortieth of the arithmetic.
    """
    windows, positions = (index.to(x.device) for index in _windows(x.shape[2], length))
    distinct = F.pad(x, (1, 0)).index_select(2, windows)
    return F.conv1d(distinct, convolution.weight, convolution.bias, stride=3).index_select(2, positions)


@cache
@torch.inference_mode(False)  # what is kept serves trainings too
def _windows(steps: int, length: int) -> tuple[Tensor, Tensor]:
    """The distinct windows of three stretched steps, one after the other (0: padding, 1: the first step); of each position, its window."""
    repeated = F.interpolate(torch.arange(1.0, steps + 1)[None, None], length, mode="nearest")[0, 0].long()
    found, positions = F.pad(repeated, (1, 1)).unfold(0, 3, 1).unique_consecutive(dim=0, return_inverse=True)
    return found.flatten(), positions


def weigh(features: Tensor, attention: Tensor, *, per_clip: bool = False) -> Tensor:
    """The map (B, C, T, H, W) times its attention (B, C, T), scaled so that its sum stays what it was.

    The sum is that of the whole batch, which couples its clips (quirk R6), or with ``per_clip`` each clip's own: the same with B = 1.
    """
    weighted = features * attention[..., None, None]
    if per_clip:
        axes = tuple(range(1, features.ndim))
        return weighted * (features.sum(axes, keepdim=True) / weighted.sum(axes, keepdim=True))
    return weighted * (features.sum() / weighted.sum())
