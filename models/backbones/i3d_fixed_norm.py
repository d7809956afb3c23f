"""I3D whose batch normalisation is frozen, with less arithmetic and less memory: the same maps and the same gradients.

Frozen normalisation is part of the convolution before it: its gain multiplies the weights, its shift is a bias. So a unit keeps one map for
the backward pass instead of three, and the gradients still reach weights, scales and shifts. The three 1x1x1 convolutions of an inception
block that read the same map are one. "Same" padding that is even goes into the convolution instead of into a copy of its input, and since
no map here is negative, pooling need not see the zeros at all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models.backbones.i3d import I3D, POOLS, Axes, Inception, Unit, max_pool, same_padding

#: weight and bias of a convolution
Folded = tuple[Tensor, Tensor]


def frozen_maps(net: I3D, x: Tensor, names: Collection[str]) -> dict[str, Tensor]:
    """The maps after the endpoints ``names`` of clips (B, C, T, H, W), as :meth:`I3D.stages` gives them with BN in evaluation mode.

    Raises ValueError if BN of ``net`` is in training mode.
    """
    first = net.get_submodule(net.endpoints[0])
    assert isinstance(first, Unit) and first.bn is not None
    if first.bn.training:
        raise ValueError("batch normalisation is in training mode: its statistics are those of the batch, not frozen")
    maps: dict[str, Tensor] = {}
    for name in net.endpoints:
        if name in POOLS:
            x = pooled(x, *POOLS[name])
        else:
            module = net.get_submodule(name)
            x = _block(module, x) if isinstance(module, Inception) else _unit(module, x)  # type: ignore[arg-type]
        if name in names:
            maps[name] = x
    return maps


def folded(unit: Unit) -> Folded:
    """The convolution that a unit's convolution and normalisation are together; differentiable in all of its parameters."""
    bn = unit.bn
    assert bn is not None and bn.running_var is not None and bn.running_mean is not None
    gain = bn.weight * (bn.running_var + bn.eps).rsqrt()
    return unit.conv3d.weight * gain[:, None, None, None, None], bn.bias - bn.running_mean * gain


def convolved(x: Tensor, convolution: Folded, stride: Sequence[int] = (1, 1, 1)) -> Tensor:
    """Convolution with "same" padding, then ReLU in place."""
    weight, bias = convolution
    pads = same_padding(x.shape[2:], tuple(weight.shape[2:]), tuple(stride))  # type: ignore[arg-type]
    even = pads[::2] == pads[1::2]
    y = F.conv3d(x if even else F.pad(x, pads), weight, bias, tuple(stride), tuple(pads[::-2]) if even else 0)
    return F.relu_(y)


def pooled(x: Tensor, kernel: Axes, stride: Axes) -> Tensor:
    """Max pooling with "same" padding of a map without negative values."""
    pads = same_padding(x.shape[2:], kernel, stride)
    if pads[::2] == pads[1::2]:
        return F.max_pool3d(x, kernel, stride, tuple(pads[::-2]))
    if not any(pads[::2]):  # windows that reach past the far end are cut off there
        return F.max_pool3d(x, kernel, stride, ceil_mode=True)
    return max_pool(x, kernel, stride)


def _unit(unit: Unit, x: Tensor) -> Tensor:
    return convolved(x, folded(unit), unit.conv3d.stride)


def _block(block: Inception, x: Tensor) -> Tensor:
    point = [folded(unit) for unit in (block.b0, block.b1a, block.b2a)]
    together = convolved(x, (torch.cat([weight for weight, _ in point]), torch.cat([bias for _, bias in point])))
    alone, first, second = together.split([len(bias) for _, bias in point], 1)
    pool = _unit(block.b3b, pooled(x, block.window, (1, 1, 1)))
    return torch.cat([alone, _unit(block.b1b, first), _unit(block.b2b, second), pool], 1)
