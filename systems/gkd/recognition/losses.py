"""The objective of stage 2, in which the network learns and its CVAE is frozen (spec 4.2)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from systems.gkd.generative_losses import ramp

#: weight of the attention distillation
BETA = 0.1


def classification(logits: Tensor, labels: Tensor, how: str = "double") -> Tensor:
    """Cross-entropy of logits (B, K, T) and labels (B,).

    ``double``: the softmax over classes at each position, summed over positions, is itself taken for logits (quirk R5): in 0..T, so that
    the loss never comes near 0. ``single``: the mean of the logits over positions.
    """
    return F.cross_entropy(logits.softmax(1).sum(2) if how == "double" else logits.mean(2), labels)


def objective(task: Tensor, reconstruction: Tensor | None, attention: Tensor | None, epoch: int, beta: float = BETA) -> Tensor:
    """The sum of the terms, each with its weight; None leaves one out. ``epoch`` counts from 1."""
    if reconstruction is not None:
        task = task + ramp(epoch) * reconstruction
    return task if attention is None else task + beta * attention
