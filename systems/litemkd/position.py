"""Where a frame stands in its clip, or a patch in its frame: small sinusoids, added (Vaswani et al., 2017)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Position(nn.Module):
    """Adds P to (..., n, D), then drops out (spec C.1). State: ``pe`` (1, length, D), never trained.

    P[t, 2i] = scale sin(t w_i), P[t, 2i+1] = scale cos(t w_i), w_i = 10000^(-2i / D).
    """

    pe: Tensor

    def __init__(self, dim: int, length: int, dropout: float = 0.1, scale: float = 0.1) -> None:
        super().__init__()
        angles = torch.arange(length)[:, None] * torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        table = torch.empty(1, length, dim)
        table[0, :, 0::2] = scale * angles.sin()
        table[0, :, 1::2] = scale * angles.cos()[:, : dim // 2]
        self.register_buffer("pe", table)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., n, D) to the same shape; n is at most ``length``."""
        return self.dropout(x + self.pe[0, : x.shape[-2]])
