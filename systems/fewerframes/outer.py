"""A product x W of few rows and a large matrix, part by part, whose gradient of W is not made before W moves.

Of B rows x (B,I) the gradient of W (I,O) is x^T g, of rank B. NeXtVLAD's hidden layer has 75 M weights, and a batch some 16 rows. The
two factors are a hundredth of the gradient. They give its norm, and parts of it that stay in the processor's cache while the optimiser
uses them. An optimiser that can do so asks for factors by :func:`keep_factors`; otherwise this is a product as any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

#: bytes of a part of W, or of its gradient
PART = 1 << 19
#: rows are few if so many times their number is not more than either side of W
FEW = 4


class Factors(NamedTuple):
    """Of a gradient ``left``^T ``right``: (B,I) and (B,O)."""

    left: Tensor
    right: Tensor

    def norm(self) -> Tensor:
        """Of the gradient, from the products of the rows among one another: ||L^T R||^2 is the sum of (L L^T) o (R R^T). In float64."""
        left, right = self.left.double(), self.right.double()
        squared = ((left @ left.t()) * (right @ right.t())).sum()
        return squared.clamp_min(0.0).sqrt().to(self.left.dtype)

    def parts(self) -> Iterator[tuple[slice, Tensor]]:
        """Rows of the gradient, and their values."""
        for here in parts_of(self.left.shape[1], self.right[0]):
            yield here, self.left[:, here].t() @ self.right


def parts_of(rows: int, row: Tensor) -> Iterator[slice]:
    """Of a matrix of so many rows like this one, the rows of each part."""
    step = max(1, PART // row.nbytes)
    return (slice(first, min(first + step, rows)) for first in range(0, rows, step))


def keep_factors(parameters: Iterable[nn.Parameter]) -> None:
    """From now on :func:`product` leaves factors of their gradients, for :func:`take_factors`, and no gradients."""
    for parameter in parameters:
        parameter.factors = []  # type: ignore[attr-defined]


def take_factors(parameter: nn.Parameter) -> Factors | None:
    """What the backward passes have left since the last time, joined; None if there is nothing."""
    left = getattr(parameter, "factors", None)
    if not left:
        return None
    parameter.factors = []  # type: ignore[attr-defined]
    return left[0] if len(left) == 1 else Factors(*(torch.cat(same) for same in zip(*left)))


def product(x: Tensor, weight: nn.Parameter) -> Tensor:
    """x (B,I) W (I,O)."""
    if getattr(weight, "factors", None) is None or not torch.is_grad_enabled() or FEW * len(x) > min(weight.shape):
        return x @ weight
    found: Tensor = _Product.apply(x, weight, weight.factors)  # type: ignore[attr-defined]
    return found


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, factors: list[Factors]) -> Tensor:
        ctx.factors = factors
        ctx.save_for_backward(x, weight)
        found = x.new_zeros(len(x), weight.shape[1])
        for part in parts_of(len(weight), weight[0]):
            found.addmm_(x[:, part], weight[part])
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_product: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        ctx.factors.append(Factors(x, to_product))
        if not ctx.needs_input_grad[0]:
            return None, None, None
        to_x, turned = x.new_empty(x.shape[::-1]), to_product.t().contiguous()
        for part in parts_of(len(weight), weight[0]):
            torch.mm(weight[part], turned, out=to_x[part])
        return to_x.t(), None, None
