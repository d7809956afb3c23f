"""I3D that learns while its batch normalisation is frozen, with less arithmetic and less memory: the same maps and the same gradients.

Frozen normalisation is part of the convolution before it: its gain multiplies the weights, its shift is a bias. So a unit keeps one map for
the backward pass instead of three, and the gradients still reach weights, scales and shifts. Pooling, whose places would take twice as much
as its maps, is done again in the backward pass. :mod:`models.backbones.i3d_frozen` is for networks that do not learn at all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from models.backbones.i3d import I3D, POOLS, Inception, Unit
from models.backbones.i3d_channels_last import convolution, max_pool


def fixed_norm_maps(net: I3D, clips: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
    """The maps after the endpoints ``wanted`` of clips (B, C, T, H, W), as :meth:`I3D.stages` gives them with BN in evaluation mode.

    Raises ValueError if BN of ``net`` is in training mode.
    """
    if any(part.bn is not None and part.bn.training for part in net.modules() if isinstance(part, Unit)):
        raise ValueError("batch normalisation is in training mode: its statistics are those of the batch, not frozen")
    found: dict[str, Tensor] = {}
    x = clips.contiguous(memory_format=torch.channels_last_3d)
    for name in net.endpoints:
        if name in POOLS:
            x = again(max_pool, x, *POOLS[name])
        else:
            part = net.get_submodule(name)
            x = inception(part, x) if isinstance(part, Inception) else unit(part, x)
        if name in wanted:
            found[name] = x
    return found


def folded(part: Unit) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution that a unit's convolution and normalisation are together; differentiable in its parameters."""
    bn = part.bn
    assert bn is not None and bn.running_var is not None and bn.running_mean is not None
    gain = bn.weight * (bn.running_var + bn.eps).rsqrt()
    return part.conv3d.weight * gain[:, None, None, None, None], bn.bias - bn.running_mean * gain


def unit(part: Unit, x: Tensor) -> Tensor:
    """Convolution with "same" padding and normalisation, ReLU in place."""
    return convolution(x, *folded(part), part.conv3d.stride, relu=True)


def inception(block: Inception, x: Tensor) -> Tensor:
    """The four branches of a block, side by side."""
    branches = [unit(block.b0, x), unit(block.b1b, unit(block.b1a, x)), unit(block.b2b, unit(block.b2a, x))]
    return torch.cat([*branches, again(_pooled_unit, x, block)], 1)


def _pooled_unit(x: Tensor, block: Inception) -> Tensor:
    return unit(block.b3b, max_pool(x, block.window, (1, 1, 1)))


def again(work: Callable[..., Tensor], x: Tensor, *arguments: object) -> Tensor:
    """What ``work`` makes of a map. It keeps the map alone, and works again in the backward pass."""
    if not torch.is_grad_enabled():
        return work(x, *arguments)
    result: Tensor = checkpoint(work, x, *arguments, use_reentrant=False, preserve_rng_state=False)
    return result
