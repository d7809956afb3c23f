"""Layers of a transformer block that keep less between their passes: what is cheap to compute again, a norm and GELU, is not kept.

A block then keeps ten numbers a feature instead of sixteen. Values and gradients are those of the plain layers. ``early`` goes further:
a part of a loss whose gradients are computed on the way forward keeps nothing but them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


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
        return F.linear(normed, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gain, shift, weight, mean, scale = ctx.saved_tensors
        normed = torch.sub(x, mean).mul_(scale).mul_(gain).add_(shift)
        to_weight = grad.T @ normed
        del normed
        back = torch.ops.aten.native_layer_norm_backward
        to_x, to_gain, to_shift = back(grad @ weight, x, x.shape[-1:], mean, scale, gain, shift, [True, True, True])
        return to_x, to_gain, to_shift, None, to_weight, grad.sum(0) if ctx.biased else None


class _GeluLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(F.gelu(x), weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, weight = ctx.saved_tensors
        to_weight = grad.T @ F.gelu(x)
        return torch.ops.aten.gelu_backward(grad @ weight, x), to_weight, grad.sum(0)


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
