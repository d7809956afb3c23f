"""ELU (alpha 1) that is quick on a CPU.

PyTorch's CPU kernel calls expm1 number by number, which makes ELU the dearest operation of the reasoning unit. tanh is
vectorised, and exp(x) - 1 = 2 t / (1 - t) with t = tanh(x/2) keeps the digits of small x.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


def elu(x: Tensor) -> Tensor:
    """Return x where positive, else exp(x) - 1."""
    return _Elu.apply(x) if x.device.type == "cpu" else F.elu(x)


class _Elu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        t = x.clamp(max=0.0).mul_(0.5).tanh_()
        out = torch.relu(x).add_(t.mul_(2.0).div_(1.0 - t.mul(0.5)))
        ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (out,) = ctx.saved_tensors
        return torch.ops.aten.elu_backward(grad, 1.0, 1.0, 1.0, True, out)
