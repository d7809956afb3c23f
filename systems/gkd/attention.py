"""Attention over (channel, time) of a feature map, and features weighted by it (spec 3.2, 3.3).

Both parts are plain ``Sequential``, so that networks can hold them under the published names (``deconv1``, ``Att_Head_5c``, ...).
"""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

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
    return nn.Sequential(nn.Conv3d(channels, hidden, (1, kernel, kernel)), group_norm(hidden), nn.ReLU())


def attention_head(hidden: int, channels: int, steps: int) -> nn.Sequential:
    """(B, hidden, C) to (B, C, steps), in 0..1. The last axis of the input is time, stretched to C positions: ``Linear`` acts on it."""
    return nn.Sequential(Unit1d(hidden, channels, 3), group_norm(channels), nn.ReLU(), nn.Linear(channels, steps), nn.Sigmoid())


def attend(reduction: nn.Module, head: nn.Module, features: Tensor) -> Tensor:
    """The attention (B, C, T) of a map (B, C, T, k, k). The head was made for T steps and C channels."""
    reduced = reduction(features).flatten(2)
    return head(F.interpolate(reduced, features.shape[1], mode="nearest"))


def weigh(features: Tensor, attention: Tensor, *, per_clip: bool = False) -> Tensor:
    """The map (B, C, T, H, W) times its attention (B, C, T), scaled so that its sum stays what it was.

    The sum is that of the whole batch, which couples its clips (quirk R6), or with ``per_clip`` each clip's own: the same with B = 1.
    """
    weighted = features * attention[..., None, None]
    if per_clip:
        axes = tuple(range(1, features.ndim))
        return weighted * (features.sum(axes, keepdim=True) / weighted.sum(axes, keepdim=True))
    return weighted * (features.sum() / weighted.sum())
