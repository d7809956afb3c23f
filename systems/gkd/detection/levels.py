"""A layer that all levels of the pyramid share, over all of them at once.

The levels lie one after the other on the time axis, with as many zeros between them as the convolution looks to either side: the same
numbers as level by level, but the weights are read once, and their gradient is made once. Normalisation stays within a level.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from systems.gkd.detection.layers import Unit1d

Lengths = tuple[int, ...]


def convolved(unit: Unit1d, x: Tensor, lengths: Lengths) -> Tensor:
    """A convolution with stride 1 and an odd kernel over levels (B, C, N) -> (B, outputs, N)."""
    gap = unit.conv1d.kernel_size[0] // 2
    if not gap:
        return unit(x)
    parts = [F.pad(part, (0, gap)) for part in x.split(lengths, 2)]
    spread = unit(torch.cat(parts, 2))
    return torch.cat([part[..., :t] for part, t in zip(spread.split([t + gap for t in lengths], 2), lengths, strict=True)], 2)


def layer(block: nn.Sequential, x: Tensor, lengths: Lengths) -> Tensor:
    """Convolution, group normalisation within each level, ReLU: (B, C, N) -> (B, outputs, N)."""
    unit, norm = block[0], block[1]
    assert isinstance(unit, Unit1d)
    return F.relu(torch.cat([norm(part) for part in convolved(unit, x, lengths).split(lengths, 2)], 2))
