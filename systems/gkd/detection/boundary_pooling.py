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


def largest(x: Tensor, segments: Tensor, *, where: bool = True) -> tuple[Tensor, Tensor | None]:
    """What is pooled (B, C, K), and with ``where`` the step it was found at (B, C, K), int64. No gradient."""
    halves = x.chunk(2, dim=1)
    found = [_range_max(half, *_edges(segments[..., 2 * i : 2 * i + 2], x.shape[2]), where) for i, half in enumerate(halves)]
    values = torch.cat([value for value, _ in found], dim=1)
    return values, torch.cat([step for _, step in found if step is not None], dim=1) if where else None


class _Pooling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, segments: Tensor, published: bool) -> Tensor:
        needed = bool(ctx.needs_input_grad[0])
        values, steps = largest(x, segments, where=needed and not published)
        if needed:
            ctx.published, ctx.shape = published, x.shape
            ctx.save_for_backward(*((x, segments) if published else (steps,)))
        return values

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        if not ctx.published:
            (steps,) = ctx.saved_tensors
            return grad.new_zeros(ctx.shape).scatter_add_(2, steps, grad), None, None
        x, segments = ctx.saved_tensors
        taken_for = (*x.shape[:2], segments.shape[1])  # what the kernel takes the input for: K steps, and the same first numbers
        count = grad.numel()
        _, steps = largest(x.reshape(-1)[:count].view(taken_for), segments)
        assert steps is not None
        result = grad.new_zeros(ctx.shape)
        result.view(-1)[:count].view(taken_for).scatter_add_(2, steps, grad)
        return result, None, None


def _edges(segments: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """First and last step (B, K) of ranges (B, K, 2). What is no number counts as 0: the loss, not an index, shall say so."""
    clamped = segments.detach().nan_to_num(nan=0.0).clamp(0, length - 1).long()
    first = clamped[..., 0]
    return first, torch.maximum(clamped[..., 1], first)


def _range_max(x: Tensor, first: Tensor, last: Tensor, where: bool) -> tuple[Tensor, Tensor | None]:
    """The maximum over first..last of features (B, C, T), and its first step, by a sparse table over rows of channels."""
    batch, channels, length = x.shape
    width = last - first + 1
    power = torch.frexp(width.double())[1].long() - 1  # the largest power of two that is no longer than the range
    rows = x.detach().transpose(1, 2).contiguous()
    steps = torch.arange(length, device=x.device, dtype=torch.int32)[None, :, None].expand(batch, length, channels) if where else None
    values, places = [rows], [steps]
    for j in range(int(power.max()) if power.numel() else 0):
        values_j, places_j = _doubled(values[-1], places[-1], 1 << j)
        values.append(values_j)
        places.append(places_j)
    table = torch.stack(values, 1).flatten(0, 2)
    base = (torch.arange(batch, device=x.device)[:, None] * len(values) + power) * length
    left = (base + first).flatten()
    right = (base + last + 1 - (1 << power)).flatten()
    a, b = table[left], table[right]
    shape = (batch, -1, channels)
    if not where:
        return torch.maximum(a, b).view(shape).transpose(1, 2), None
    found = torch.stack([place for place in places if place is not None], 1).flatten(0, 2)
    earlier = a >= b
    value = torch.where(earlier, a, b).view(shape)
    return value.transpose(1, 2), torch.where(earlier, found[left], found[right]).long().view(shape).transpose(1, 2)


def _doubled(values: Tensor, places: Tensor | None, half: int) -> tuple[Tensor, Tensor | None]:
    """The maxima of ranges twice as long. Ranges that run past the end keep what they have; no one asks for them."""
    a, b = values[:, :-half], values[:, half:]
    tail = values[:, -half:]
    if places is None:
        return torch.cat([torch.maximum(a, b), tail], 1), None
    earlier = a >= b
    return (
        torch.cat([torch.where(earlier, a, b), tail], 1),
        torch.cat([torch.where(earlier, places[:, :-half], places[:, half:]), places[:, -half:]], 1),
    )
