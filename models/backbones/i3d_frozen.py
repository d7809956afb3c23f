"""I3D that learns nothing more: BN folded into the convolutions, convolutions of one input done as one, ReLU in place.

The numbers are those of the network in evaluation mode. It is what a teacher needs: maps, without gradients, and little memory.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor

from models.backbones.fold import fold_batch_norm
from models.backbones.i3d import I3D, POOLS, Axes, Inception, Unit
from models.backbones.i3d_channels_last import convolution, max_pool


class Folded(NamedTuple):
    """A convolution with bias, a ReLU after it."""

    weight: Tensor
    bias: Tensor
    stride: Axes

    def __call__(self, x: Tensor) -> Tensor:
        return convolution(x, self.weight, self.bias, self.stride, relu=True)


class FoldedInception:
    """The four branches; the three that begin with a 1x1x1 convolution of the input share one."""

    def __init__(self, block: Inception) -> None:
        heads = [_folded(unit) for unit in (block.b0, block.b1a, block.b2a)]
        self.heads = Folded(torch.cat([head.weight for head in heads]), torch.cat([head.bias for head in heads]), (1, 1, 1))
        self.sizes = [len(head.bias) for head in heads]
        self.b1b, self.b2b, self.b3b = (_folded(unit) for unit in (block.b1b, block.b2b, block.b3b))
        self.window = block.window

    def __call__(self, x: Tensor) -> Tensor:
        pooled = max_pool(x, self.window, (1, 1, 1))
        own, middle, small = self.heads(x).split(self.sizes, 1)
        return torch.cat([own, self.b1b(_dense(middle)), self.b2b(_dense(small)), self.b3b(pooled)], 1)


class FrozenI3D:
    """A copy of what a network in evaluation mode is now; what is learnt later is not seen."""

    def __init__(self, net: I3D) -> None:
        folded = fold_batch_norm(net).requires_grad_(False)
        self.parts = {name: self._part(folded.get_submodule(name)) for name in net.endpoints if name not in POOLS}
        self.endpoints = net.endpoints

    @staticmethod
    def _part(part: torch.nn.Module) -> Folded | FoldedInception:
        if isinstance(part, Inception):
            return FoldedInception(part)
        assert isinstance(part, Unit)
        return _folded(part)

    @torch.no_grad()
    def maps(self, clips: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """The maps after the endpoints ``wanted`` of clips (B, C, T, H, W), channels last in memory."""
        found: dict[str, Tensor] = {}
        x = clips.contiguous(memory_format=torch.channels_last_3d)
        for name in self.endpoints:
            x = max_pool(x, *POOLS[name]) if name in POOLS else self.parts[name](x)
            if name in wanted:
                found[name] = x
        return found


def _folded(unit: Unit) -> Folded:
    conv = unit.conv3d
    assert conv.bias is not None
    return Folded(conv.weight.contiguous(memory_format=torch.channels_last_3d), conv.bias, conv.stride)


def _dense(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last_3d)
