"""How a float32 product of matrices in a training step is computed on this processor.

PyTorch multiplies with MKL, a library of Intel's. On an AMD with AVX-512 the kernels of oneDNN, which PyTorch brings for its convolutions,
are faster: by 4 to 20 % in the shapes of XKD's step (Zen 4, one thread). Which of them multiplies depends on the maker that the processor
names, on types and on shapes, and on nothing that is measured: a training that was killed goes on to the same bits.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.utils.flop_counter import register_flop_formula

from models.inference.instructions import instructions, maker

#: multiply-adds of a product: below, there is nothing to gain
SMALLEST = 1 << 26
#: a left matrix that is a transposed view is slower in oneDNN unless the right one has so many times its rows as columns
WIDE = 2


@functools.cache
def library() -> str:
    """``onednn`` or ``torch``: who multiplies large matrices here."""
    if maker() != "AuthenticAMD" or "avx512f" not in instructions() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return "torch"
    _count()
    return "onednn"


@functools.cache
def _count() -> None:
    """Let PyTorch's counter of FLOPs count what oneDNN multiplies."""

    @register_flop_formula(torch.ops.mkldnn._linear_pointwise)
    def multiplied(left: Any, right: Any, *_: Any, **__: Any) -> int:
        return 2 * int(left[0]) * int(left[1]) * int(right[0])


def fits(left: Tensor, right: Tensor) -> bool:
    """Whether oneDNN multiplies ``left`` (M,K) by ``right`` (K,N)."""
    if torch.compiler.is_compiling():  # asked first: a traced number of rows must not be compared
        return False
    if left.device.type != "cpu" or left.dtype is not torch.float32 or right.dtype is not torch.float32 or left.ndim != 2:
        return False
    rows, columns = len(left), right.shape[1]
    if rows * columns * left.shape[1] < SMALLEST or (left.stride(1) != 1 and columns < WIDE * rows):
        return False
    return library() == "onednn" and not torch.is_autocast_enabled("cpu")


def product(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    """``left`` (M,K) ``right`` (K,N) + ``bias`` (N): either matrix may be a transposed view. Without gradients: for autograd Functions."""
    if fits(left, right):
        found: Tensor = torch.ops.mkldnn._linear_pointwise(left, right.t(), bias, "none", [], "")
        return found
    return left @ right if bias is None else torch.addmm(bias, left, right)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``F.linear`` of rows x (R,I) or of anything that has rows, and its gradients, by :func:`product`."""
    rows = x.flatten(0, -2)
    if not fits(rows, weight.t()):
        return F.linear(x, weight, bias)
    wanted = torch.is_grad_enabled() and any(each is not None and each.requires_grad for each in (x, weight, bias))
    found: Tensor = _Linear.apply(rows, weight, bias) if wanted else product(rows, weight.t(), bias)
    return found.view(*x.shape[:-1], len(weight))


def applied(layer: nn.Linear, x: Tensor) -> Tensor:
    """``layer(x)``."""
    return linear(x, layer.weight, layer.bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return product(x, weight.t(), bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        to_x, to_weight, to_bias = ctx.needs_input_grad
        return (
            product(grad, weight) if to_x else None,
            product(grad.t(), x) if to_weight else None,
            grad.sum(0) if to_bias else None,
        )
