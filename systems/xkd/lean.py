"""Layers of a transformer block that keep less between their passes: what is cheap to compute again, a norm and GELU, is not kept.

A block then keeps ten numbers a feature instead of sixteen. Values and gradients are those of the plain layers. ``early`` goes further:
a part of a loss whose gradients are computed on the way forward keeps nothing but them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from models.training.products import product


def fits(x: Tensor) -> bool:
    """Whether lean layers are of use: there are gradients, and no autocast, which chooses types operation by operation."""
    kind = x.device.type
    return torch.is_grad_enabled() and not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind))


def normed_linear(x: Tensor, norm: nn.LayerNorm, linear: nn.Linear) -> Tensor:
    """``linear(norm(x))`` of rows (R, D)."""
    found: Tensor = _NormedLinear.apply(x, norm.weight, norm.bias, norm.eps, linear.weight, linear.bias)
    return found


def gelu_linear(x: Tensor, linear: nn.Linear) -> Tensor:
    """``linear(gelu(x))`` of rows (R, D)."""
    found: Tensor = _GeluLinear.apply(x, linear.weight, linear.bias)
    return found


def attended(qkv: Tensor, shapes: Sequence[tuple[int, int]], heads: int) -> Tensor:
    """Rows (R, 3 D) of queries, keys and values to (R, D), mixed within each sample of inputs of the ``shapes`` (B, N). On a CPU."""
    found: Tensor = _Attended.apply(qkv, shapes, heads)
    return found


def early(compute: Callable[[Tensor], Tensor], x: Tensor, parameters: Sequence[nn.Parameter]) -> Tensor:
    """The scalar ``compute(x)``, which depends on ``parameters``; its gradients are computed at once, and it goes backward only once."""
    found: Tensor = _Early.apply(compute, x, *parameters)
    return found


class _NormedLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, eps: float, weight: Tensor, bias: Tensor | None) -> Tensor:
        normed, mean, scale = torch.native_layer_norm(x, x.shape[-1:], gain, shift, eps)
        ctx.save_for_backward(x, gain, shift, weight, mean, scale)
        ctx.biased = bias is not None
        return product(normed, weight.t(), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, shift, weight, mean, scale = ctx.saved_tensors
        normed = torch.sub(x, mean).mul_(scale).mul_(gain).add_(shift)
        to_weight = product(grad.t(), normed)
        del normed
        back = torch.ops.aten.native_layer_norm_backward
        to_x, to_gain, to_shift = back(product(grad, weight), x, x.shape[-1:], mean, scale, gain, shift, [True, True, True])
        return to_x, to_gain, to_shift, None, to_weight, grad.sum(0) if ctx.biased else None


class _GeluLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(F.gelu(x), weight.t(), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, weight = ctx.saved_tensors
        to_weight = product(grad.t(), F.gelu(x))
        return torch.ops.aten.gelu_backward(product(grad, weight), x), to_weight, grad.sum(0)


class _Attended(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, shapes: Sequence[tuple[int, int]], heads: int) -> Tensor:
        mixed, scales = qkv.new_empty(len(qkv), qkv.shape[1] // 3), []
        for (q, k, v), (own,) in zip(by_head(qkv, shapes, heads, 3), by_head(mixed, shapes, heads, 1)):
            found, scale = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)
            own.copy_(found)
            scales.append(scale)
        ctx.shapes, ctx.heads = shapes, heads
        ctx.save_for_backward(qkv, mixed, *scales)
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        qkv, mixed, *scales = ctx.saved_tensors
        to_qkv = torch.empty_like(qkv)
        views = (by_head(each, ctx.shapes, ctx.heads, n) for each, n in ((to_qkv, 3), (grad.contiguous(), 1), (qkv, 3), (mixed, 1)))
        for into, (own,), asked, (found,), scale in zip(*views, scales):
            back = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(own, *asked, found, scale, 0.0, False)
            for part, value in zip(into, back):
                part.copy_(value)
        return to_qkv, None, None


def by_head(rows: Tensor, shapes: Sequence[tuple[int, int]], heads: int, parts: int) -> Iterator[tuple[Tensor, ...]]:
    """Of each input (B, N), views (B, heads, N, d) of the ``parts`` of which its rows consist."""
    for own, (b, n) in zip(rows.split([b * n for b, n in shapes]), shapes, strict=True):
        yield own.view(b, n, parts, heads, -1).permute(2, 0, 3, 1, 4).unbind()


class _Early(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, compute: Callable[[Tensor], Tensor], x: Tensor, *parameters: Tensor) -> Tensor:
        with torch.enable_grad():
            own = x.detach().requires_grad_()
            value = compute(own)
        ctx.found = torch.autograd.grad(value, [own, *parameters])
        return value.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        found, ctx.found = ctx.found, None
        if found is None:
            raise RuntimeError("a loss with early gradients goes backward only once")
        return None, *(each.mul_(grad) for each in found)
