"""How the originals start their weights (spec 5.2, 5.4, 5.5)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def fans(shape: tuple[int, ...] | torch.Size) -> tuple[int, int]:
    """(fan in, fan out) of a kernel (..., in, out)."""
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


@torch.no_grad()
def variance_scaling(tensor: Tensor) -> Tensor:
    """Truncated normal, cut at 2 sigma, sigma = sqrt(1.3 * 2 / fan in): slim's default of the dense layers of N and Z."""
    sigma = math.sqrt(1.3 * 2.0 / fans(tensor.shape)[0])
    return nn.init.trunc_normal_(tensor, 0.0, sigma, -2 * sigma, 2 * sigma)


@torch.no_grad()
def xavier_uniform(tensor: Tensor) -> Tensor:
    """Uniform in +-sqrt(6 / (fan in + fan out)): the mixture of experts, and the LSTM kernels."""
    limit = math.sqrt(6.0 / sum(fans(tensor.shape)))
    return tensor.uniform_(-limit, limit)


@torch.no_grad()
def normal(tensor: Tensor, sigma: float) -> Tensor:
    """Normal with standard deviation ``sigma``: NetVLAD with context gating."""
    return tensor.normal_(0.0, sigma)
