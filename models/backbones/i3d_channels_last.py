"""I3D as it is fastest on a CPU: channels last in memory, and what does not look along time computed as pictures.

The numbers and gradients are those of :class:`models.backbones.i3d.I3D`, whose modules and statistics are used. PyTorch's convolutions over
pictures reach twice the speed of those over clips where the kernel has no extent in time, and its pooling over clips is
slower than that over pictures by ten times. Memory: pooling pads nothing, and neither do convolutions of stride 1.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.i3d import I3D, POOLS, Axes, Inception, Unit, same_padding


def maps(net: I3D, clips: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
    """The maps after the endpoints ``wanted`` of clips (B, C, T, H, W), channels last in memory."""
    found: dict[str, Tensor] = {}
    x = clips.contiguous(memory_format=torch.channels_last_3d)
    for name in net.endpoints:
        if name in POOLS:
            x = max_pool(x, *POOLS[name])
        else:
            part = net.get_submodule(name)
            x = inception(part, x) if isinstance(part, Inception) else unit(part, x)
        if name in wanted:
            found[name] = x
    return found


def inception(block: Inception, x: Tensor) -> Tensor:
    """The four branches of a block, side by side."""
    branches = [unit(block.b0, x), unit(block.b1b, unit(block.b1a, x)), unit(block.b2b, unit(block.b2a, x))]
    return torch.cat([*branches, unit(block.b3b, max_pool(x, block.window, (1, 1, 1)))], 1)


def unit(part: Unit, x: Tensor) -> Tensor:
    """Convolution, BN, ReLU."""
    conv, norm = part.conv3d, part.bn
    y = pictures(convolution(x, conv.weight, conv.bias, conv.stride))
    return clips_of(F.relu_(batch_norm(norm, y)), len(x))


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Axes, *, relu: bool = False) -> Tensor:
    """Convolution of (B, C, T, H, W) with "same" padding, and ReLU if wanted; kernels (O, C, 1, h, w) as convolutions of pictures.

    ReLU is done where the result lies, before it is seen as clips: in place of a view, its gradient would be copied twice.
    """
    kernel: Axes = (weight.shape[2], weight.shape[3], weight.shape[4])
    pads = same_padding(x.shape[2:], kernel, stride)
    before, after = pads[-2::-2], pads[::-2]  # of T, H, W
    if kernel[0] == 1 and not after[0]:
        frames = pictures(x[:, :, :: stride[0]])
        padding: list[int] | int = 0
        if before == after:
            padding = before[1:]
        else:
            frames = F.pad(frames, pads[:4])
        y = F.conv2d(frames, weight[:, :, 0], bias, stride[1:], padding)
        return clips_of(y.relu_() if relu else y, len(x))
    y = F.conv3d(x, weight, bias, stride, before) if before == after else F.conv3d(F.pad(x, pads), weight, bias, stride)
    return y.relu_() if relu else y


def batch_norm(norm: nn.BatchNorm3d, x: Tensor) -> Tensor:
    """The normalisation of clips on their pictures (B T, C, H, W), running statistics included."""
    moved = norm.training and norm.track_running_stats
    if moved:
        norm.num_batches_tracked.add_(1)
    known = not norm.training or moved
    mean, variance = (norm.running_mean, norm.running_var) if known else (None, None)
    return F.batch_norm(x, mean, variance, norm.weight, norm.bias, norm.training, norm.momentum, norm.eps)


def max_pool(x: Tensor, kernel: Axes, stride: Axes) -> Tensor:
    """Max pooling with "same" padding of a map (B, C, T, H, W) without negative entries, to which zeros beyond the border are nothing.

    Each picture is pooled, then time. Of equal entries the gradient goes to the first, as in pooling over clips.
    """
    pads = same_padding(x.shape[2:], kernel, stride)
    before, after = pads[-2::-2], pads[::-2]
    if kernel[1:] != (1, 1):
        x = clips_of(_pool(pictures(x), kernel[1:], stride[1:], before[1:], after[1:]), len(x))
    if kernel[0] == 1:
        return x
    clips, channels, frames, height, width = x.shape
    # all of a frame taken for channels, time for height: max pooling of pictures
    flat = x.permute(0, 2, 3, 4, 1).reshape(clips, frames, 1, height * width * channels).permute(0, 3, 1, 2)
    flat = _pool(flat, (kernel[0], 1), (stride[0], 1), [before[0], 0], [after[0], 0])
    return flat.permute(0, 2, 3, 1).reshape(clips, -1, height, width, channels).permute(0, 4, 1, 2, 3)


def _pool(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...], before: list[int], after: list[int]) -> Tensor:
    """Max pooling of pictures. A window that begins in the picture and ends beyond it is cut off."""
    if before == after:
        return F.max_pool2d(x, kernel, stride, before)
    if not any(before):
        return F.max_pool2d(x, kernel, stride, ceil_mode=True)
    return F.max_pool2d(F.pad(x, (before[1], after[1], before[0], after[0])), kernel, stride)


def pictures(x: Tensor) -> Tensor:
    """(B, C, T, H, W) to (B T, C, H, W), channels last: a view where the clip is so."""
    return x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)


def clips_of(x: Tensor, clips: int) -> Tensor:
    """(B T, C, H, W) to (B, C, T, H, W)."""
    return x.unflatten(0, (clips, -1)).transpose(1, 2)
