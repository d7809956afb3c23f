"""Layers of the AFSD head: 1-D convolutions with "same" padding, whole-map 3-D convolutions, and their normalisation.

Attribute names are those of the published state dicts.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.i3d import same_padding
from systems.gkd.attention import group_norm
from systems.gkd.whole_frame import ToPoints


class Unit1d(nn.Module):
    """Convolution along time with bias and TensorFlow's "same" padding, without activation: (B, C, T) -> (B, outputs, ceil(T / stride))."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1d = nn.Conv1d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        pads = same_padding(x.shape[2:], self.conv1d.kernel_size, self.conv1d.stride)
        y: Tensor = self.conv1d(F.pad(x, pads) if any(pads) else x)
        return y


class WholeMap(nn.Module):
    """Convolution over all of a square map, without padding: (B, C, T, size, size) -> (B, outputs, T, 1, 1)."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.conv3d = ToPoints(inputs, outputs, size)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv3d(x)
        return y


def normed(convolution: nn.Module, outputs: int) -> nn.Sequential:
    """Convolution, group normalisation (eps 1e-5), ReLU: entries 0, 1, 2."""
    return nn.Sequential(convolution, group_norm(outputs), nn.ReLU())
