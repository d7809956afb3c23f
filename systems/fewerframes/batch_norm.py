"""Batch normalisation as slim computes it (spec 5).

Statistics decay at 0.999 (PyTorch's momentum 0.001), eps is 1e-3, and the variance that normalises is the biased one. The variance
that the moving average takes is the biased one too in layers that the originals made with ``fused=False``, and the unbiased one,
n/(n-1) times larger, in fused layers. PyTorch always takes the unbiased one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.training import distributed

EPSILON = 1e-3
DECAY = 0.999


class BatchNorm(nn.Module):
    """Normalises (N, C) over its rows. ``fused`` decides which variance the moving average takes.

    ``decay`` is that of the moving averages. They need several times 1/(1 - decay) steps to settle: a training of a few hundred
    steps wants a smaller one than the published, or its eval mode lags behind its training mode.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, *, fused: bool) -> None:
        super().__init__()
        self.fused = fused
        self.decay = DECAY
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C) to (N, C), with the statistics of these rows in training mode and the moving ones in eval mode."""
        if not self.training:
            return F.batch_norm(x, self.running_mean, self.running_var, self.gamma, self.beta, False, 0.0, EPSILON)
        if distributed.size() > 1:
            return self._together(x, *self._moments(x), len(x))
        out, mean, inverse = torch.native_batch_norm(x, self.gamma, self.beta, None, None, True, 0.0, EPSILON)
        self.update(mean.detach(), inverse.detach().pow(-2) - EPSILON, x.shape[0])
        return out

    def forward_repeated(self, x: Tensor, row: Tensor, times: int) -> Tensor:
        """As :meth:`forward` of ``x`` (N, C) with ``row`` (C,) appended ``times`` times, of which the first N rows are returned."""
        if not self.training or not times:
            return self(x)
        total = len(x) + times
        mean, variance = self._moments(x) if len(x) else (torch.zeros_like(row), torch.zeros_like(row))
        whole = (len(x) * mean + times * row) / total
        spread = (len(x) * (variance + (mean - whole).square()) + times * (row - whole).square()) / total
        return self._together(x, whole, spread, total)

    @staticmethod
    def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
        variance, mean = torch.var_mean(x, 0, correction=0)
        return mean, variance

    def _together(self, x: Tensor, mean: Tensor, variance: Tensor, rows: int) -> Tensor:
        """Normalise ``x`` by the moments of ``rows`` rows, joined with those of the other processes that share the batch."""
        mean, variance, rows = distributed.moments(mean, variance, rows)
        self.update(mean.detach(), variance.detach(), rows)
        scale = self.gamma * torch.rsqrt(variance + EPSILON)
        return torch.addcmul(self.beta - mean * scale, x, scale)

    @torch.no_grad()
    def update(self, mean: Tensor, variance: Tensor, rows: int) -> None:
        """Move the averages towards the mean and the biased variance of ``rows`` rows."""
        if self.fused:
            variance = variance * (rows / max(rows - 1, 1))
        self.running_mean.lerp_(mean, 1.0 - self.decay)
        self.running_var.lerp_(variance.clamp_min(0.0), 1.0 - self.decay)
