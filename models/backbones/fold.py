"""Batch normalisation folded into the convolution before it: the same numbers in evaluation mode, with fewer passes over the maps.

In evaluation y = gamma (conv(x) - mean) / sqrt(var + eps) + beta is itself a convolution: its weights are multiplied by
gamma / sqrt(var + eps) per output channel, the rest is a bias.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

#: weights that are multiplied at a time
PIECE = 1 << 16


def fold_batch_norm(module: nn.Module) -> nn.Module:
    """A copy of ``module`` in evaluation mode whose batch normalisations (now ``Identity``) are folded into their convolutions.

    In every network here a normalisation is applied to the output of the convolution that is declared just before it, and to nothing
    else; that is how the pairs are found. Works for Conv1d to Conv3d, with or without bias, in any floating-point type; the arithmetic
    is done in float64. The copy's state dict has other entries: save and load the original. Raises ValueError for a normalisation
    without such a convolution, or without running statistics. A network that says that it is not ``foldable`` is only copied.
    """
    foldable = getattr(module, "foldable", True)
    replaced = {id(conv.weight): conv.weight for _, conv, _, _ in _pairs(module)} if foldable else {}
    folded = copy.deepcopy(module, dict(replaced)).eval()  # weights that get others in their place are not copied
    if not foldable:
        return folded
    for parent, conv, name, norm in list(_pairs(folded)):
        _fold(conv, norm, name)
        setattr(parent, name.rpartition(".")[2], nn.Identity())
    left = [name for name, part in folded.named_modules() if isinstance(part, _BatchNorm)]
    if left:
        raise ValueError(
            f"{type(module).__name__}: no convolution stands before {left[0]}" + (f" and {len(left) - 1} more" * (len(left) > 1))
        )
    return folded


def _pairs(module: nn.Module) -> Iterator[tuple[nn.Module, nn.modules.conv._ConvNd, str, _BatchNorm]]:
    """(parent, convolution, full name of its normalisation, normalisation)."""
    for path, parent in module.named_modules():
        before: nn.Module | None = None
        for name, part in parent.named_children():
            if isinstance(part, _BatchNorm) and _is_plain(before) and before.out_channels == part.num_features:  # type: ignore[union-attr]
                yield parent, before, f"{path}.{name}", part  # type: ignore[misc]
            before = part


def _is_plain(part: nn.Module | None) -> bool:
    return isinstance(part, nn.modules.conv._ConvNd) and not part.transposed


@torch.no_grad()
def _fold(conv: nn.modules.conv._ConvNd, norm: _BatchNorm, name: str) -> None:
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError(f"{name.lstrip('.')} keeps no running statistics: it cannot be folded")
    gain = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is not None:
        gain = gain * norm.weight.double()
    shift = -norm.running_mean.double() * gain
    if norm.bias is not None:
        shift = shift + norm.bias.double()
    if conv.bias is not None:
        shift = shift + conv.bias.double() * gain
    weight, graded = conv.weight, conv.weight.requires_grad
    conv.weight = nn.Parameter(_by_channel(weight.detach(), gain), requires_grad=graded)
    conv.bias = nn.Parameter(shift.to(weight), requires_grad=graded)


def _by_channel(weight: Tensor, gain: Tensor) -> Tensor:
    """Weights times the gain of their output channel, a few channels at a time: the float64 numbers stay in the processor's cache."""
    scaled = torch.empty_like(weight)
    gain = gain.reshape(-1, *(1,) * (weight.dim() - 1))
    channels = max(1, PIECE // weight[0].numel())
    for some, numbers, by in zip(scaled.split(channels), weight.split(channels), gain.split(channels), strict=True):
        some.copy_(numbers.double() * by)
    return scaled
