"""What a CVAE learns from, and what a network learns from a CVAE (spec 4.1, 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor

from systems.gkd.cvae import Reconstruction

#: weight of the divergence beside the reconstruction
DIVERGENCE = 0.1
#: weight of the generative distillation in stage 1
GENERATIVE = 0.01
#: weight of the reconstruction term in stage 2, and after how many epochs it is reached
RECONSTRUCTION, RAMP = 0.5, 20


def squared(one: Tensor, other: Tensor) -> Tensor:
    """Mean squared difference."""
    return torch.mean((one - other) ** 2)


def divergence(mean: Tensor, log_variance: Tensor, attention: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the posterior (B, T, C) from the prior N(attention, 1), mean over all entries."""
    away = mean - attention.transpose(1, 2)
    return -0.5 * torch.mean(1 + log_variance - away**2 - log_variance.exp())


def cvae_loss(features: Tensor, made: Reconstruction, attention: Tensor) -> Tensor:
    """Reconstruction + 0.1 divergence. Gradients reach all arguments."""
    return squared(features, made.features) + DIVERGENCE * divergence(made.mean, made.log_variance, attention)


def ramp(epoch: int) -> float:
    """The weight of the reconstruction term in stage 2; ``epoch`` counts from 1."""
    return min(epoch, RAMP) / RAMP * RECONSTRUCTION
