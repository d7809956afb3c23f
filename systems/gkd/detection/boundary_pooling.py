"""Boundary max pooling (AFSD, CVPR 2021): the largest value of a feature around the start, and around the end, of a segment.

The maximum of a range is the larger one of two ranges whose lengths are powers of two, and those are made by doubling (a sparse table).
So the work grows with T log T + K instead of with the lengths of the ranges, and it is all whole-tensor arithmetic, on any device.

``gradient="published"`` is what the published CUDA kernel computes (quirk D3): it takes the number of segments K for the length T of the
input, in its strides and its clamps, so it is wrong whenever the two differ.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cache.errors import one_of

GRADIENTS = ("true", "published")


def boundary_max_pooling(x: Tensor, segments: Tensor, gradient: str = "true") -> Tensor:
    """Features (B, C, T) and segments (B, K, 4) -> (B, C, K).

    The first half of the channels is pooled over entries 0 to 1 of a segment, the second half over entries 2 to 3, both ends included.
    Entries are steps of T; they are truncated toward zero and clamped to 0..T-1. A range that ends before it begins is its beginning.
    Of equal values the first gets the gradient; segments get none. Raises ValueError for shapes that do not fit, and with the published
    gradient for K > T, where the kernel leaves the input's memory.
    """
    one_of("gradient", gradient, GRADIENTS)
    if x.dim() != 3 or segments.shape != (len(x), segments.shape[1], 4) or x.shape[1] % 2:
        raise ValueError(f"features (B, even C, T) and segments (B, K, 4), not {tuple(x.shape)} and {tuple(segments.shape)}")
    if gradient == "published" and segments.shape[1] > x.shape[2]:
        raise ValueError(f"the published gradient is undefined for more segments ({segments.shape[1]}) than steps ({x.shape[2]})")
    pooled: Tensor = _Pooling.apply(x, segments, gradient == "published")
    return pooled


class _Pooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, segments: Tensor, published: bool) -> Tensor:
        if not ctx.needs_input_grad[0]:
            return _joined(_range_max(_rows(x), *_edges(segments, x.shape[2])))
        steps = first_largest(x, segments)
        ctx.published, ctx.shape = published, x.shape
        ctx.save_for_backward(*((x, segments) if published else (steps,)))
        return x.gather(2, steps)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        result = grad.new_zeros(ctx.shape)
        if not ctx.published:
            (steps,) = ctx.saved_tensors
            return result.scatter_add_(2, steps, grad), None, None
        x, segments = ctx.saved_tensors
        taken_for = (*x.shape[:2], segments.shape[1])  # what the kernel takes the input for: K steps, and the same first numbers
        count = grad.numel()
        steps = first_largest(x.reshape(-1)[:count].view(taken_for), segments)
        result.view(-1)[:count].view(taken_for).scatter_add_(2, steps, grad)
        return result, None, None


def first_largest(x: Tensor, segments: Tensor) -> Tensor:
    """The step (B, C, K), int64, at which the pooling finds its value first."""
    last = x.shape[2] - 1
    keys = _range_max(_keys(_rows(x)), *_edges(segments, x.shape[2]))
    return last - _joined(keys & 0xFFFFFFFF)


def _rows(x: Tensor) -> Tensor:
    """Features (B, C, T) as rows of channels (2 B, T, C / 2), a clip's two halves one after the other."""
    batch, channels, length = x.shape
    return x.detach().reshape(2 * batch, channels // 2, length).transpose(1, 2).contiguous()


def _joined(pooled: Tensor) -> Tensor:
    """Rows of pooled channels (2 B, K, C / 2) as features (B, C, K)."""
    halves, count, channels = pooled.shape
    return pooled.transpose(1, 2).reshape(halves // 2, 2 * channels, count)


def _edges(segments: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """First and last steps (2 B, K) of segments (B, K, 4). What is no number counts as 0: the loss, not an index, shall say so."""
    clamped = segments.detach().nan_to_num(nan=0.0).clamp(0, length - 1).long()
    first, last = clamped.unflatten(-1, (2, 2)).transpose(1, 2).flatten(0, 1).unbind(-1)
    return first, torch.maximum(first, last)


def _keys(rows: Tensor) -> Tensor:
    """Whole numbers of which the largest stands where the first largest value does: the value's rank above, the step from the end below."""
    if rows.dtype == torch.float64:
        rank = -rows.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
    else:
        bits = (rows.float() + 0.0).view(torch.int32)  # + 0.0: of -0.0 and 0.0 none is larger
        rank = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()  # negative numbers fall as their bits rise
    steps = torch.arange(rows.shape[1] - 1, -1, -1, device=rows.device)
    return (rank << 32) | steps[:, None]


def _range_max(rows: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """The largest of rows (N, T, C) over steps first..last (N, K), for each channel: (N, K, C)."""
    batch, length, channels = rows.shape
    width = last - first + 1
    power = torch.frexp(width.double())[1].long() - 1  # the largest power of two that is no longer than the range
    table = rows.new_empty(int(power.max()) + 1 if power.numel() else 1, batch, length, channels)
    table[0] = rows
    for j in range(1, len(table)):  # ranges of 2^j steps; those that would run past the end are never asked for
        half, there = 1 << (j - 1), length - (1 << j) + 1
        torch.maximum(table[j - 1, :, :there], table[j - 1, :, half : half + there], out=table[j, :, :there])
    flat = table.view(-1, channels)
    base = (power * batch + torch.arange(batch, device=rows.device)[:, None]) * length
    left, right = base + first, base + last + 1 - (1 << power)
    found = torch.maximum(flat.index_select(0, left.flatten()), flat.index_select(0, right.flatten()))
    return found.view(batch, -1, channels)
