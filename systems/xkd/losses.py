"""What ties the modalities: distillation with a centre, and alignment by maximum mean discrepancy (spec 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.training import distributed

GAMMAS = (1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0, 1000.0)
SMALLEST = 1e-30


class Distillation(nn.Module):
    """A teacher of one modality teaches the student of the other: L = -mean_k q_k log softmax(S / tau_s), q = softmax((T - c) / tau_t)."""

    center: Tensor

    def __init__(self, out: int, momentum: float = 0.9) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("center", torch.zeros(1, out))

    def forward(self, student: Tensor, teacher: Tensor, student_tau: float, teacher_tau: float, teacher_views: int = 1) -> Tensor:
        """The mean over all pairs of views, and over the batch; then the centre moves.

        student, teacher: (views · B, K), all samples of a view together; ``teacher`` has no gradient.
        """
        q = ((teacher - self.center) / teacher_tau).softmax(-1).view(teacher_views, -1, self.center.shape[1]).mean(0)
        logs = (student / student_tau).log_softmax(-1).view(-1, *q.shape)
        loss: Tensor = -(q * logs).sum(-1).mean()
        self.follow(teacher)
        return loss

    @torch.no_grad()
    def follow(self, teacher: Tensor) -> None:
        """c to momentum · c + (1 - momentum) · the mean of the whole batch, over all processes."""
        own = teacher.mean(0, keepdim=True)
        mean, _, _ = distributed.moments(own, torch.zeros_like(own), len(teacher))
        self.center.mul_(self.momentum).add_(mean.to(self.center.dtype), alpha=1 - self.momentum)


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """(n, K), (m, K) to (n, m), at least 1e-30, from one matrix product."""
    return (x.square().sum(-1)[:, None] + y.square().sum(-1) - 2 * (x @ y.T)).clamp_min(SMALLEST)


def kernel(distances: Tensor) -> Tensor:
    """The sum of Gaussian kernels of all widths."""
    return torch.stack([torch.exp(-gamma * distances) for gamma in GAMMAS]).sum(0)


def mmd(x: Tensor, y: Tensor, precision: str = "double") -> Tensor:
    """MMD²(X, Y) = mean k(X, X) + mean k(Y, Y) - 2 mean k(X, Y), diagonals included; rows (n, K) and (m, K), a scalar.

    Rows have norm² K, and float32 leaves noise of 1e-3 in their distances, which the narrow kernels see (quirk 3). ``double``
    computes in float64, outside autocast, with a diagonal of exactly zero. ``own`` computes in the inputs' type and autocast, as the
    released code does.
    """
    if precision == "own":
        return kernel(squared_distances(x, x)).mean() + kernel(squared_distances(y, y)).mean() - 2 * kernel(squared_distances(x, y)).mean()
    with torch.autocast(x.device.type, enabled=False):
        rows, n = torch.cat([x, y]).double(), len(x)
        same = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
        k = kernel(squared_distances(rows, rows).masked_fill(same, 0.0))
        return (k[:n, :n].mean() + k[n:, n:].mean() - 2 * k[:n, n:].mean()).to(x.dtype)


def mean_and_covariance(x: Tensor, y: Tensor) -> Tensor:
    """Another alignment of the released module: mean squared differences of the means and of the covariances of rows (n, K), (m, K)."""
    means = (x.mean(0) - y.mean(0)).square().mean()
    return means + (torch.cov(x.T) - torch.cov(y.T)).square().mean()
