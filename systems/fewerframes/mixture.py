"""A mixture of NeXtVLADs that distils into its own branches while it trains (N's final model; spec 5.7)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from systems.fewerframes.batch_norm import BatchNorm
from systems.fewerframes.dense import Dense
from systems.fewerframes.nextvlad import NeXtVLAD
from systems.fewerframes.output import Output

EPSILON = 1e-8


class MixtureOutput(NamedTuple):
    """``mixed`` is the answer; ``branches`` are logits (B,N,C) of the branches, ``weights`` (B,N) their shares."""

    mixed: Output
    branches: Tensor
    weights: Tensor


class MixNeXtVLAD(nn.Module):
    """``branches`` complete NeXtVLADs, weighed by a gate on the mean frame; the logits are mixed.

    ``network`` are the arguments of :class:`NeXtVLAD`; its classifier must be logistic, since a mixture of experts has no logits.
    The mean is over all M rows, padding included, as published.
    """

    def __init__(self, classes: int, *, branches: int = 3, **network: Any) -> None:
        super().__init__()
        self.branches = [f"branch_{n}" for n in range(branches)]
        for name in self.branches:
            self.add_module(name, NeXtVLAD(classes, scopes=("video_vlad", "audio_vlad"), **network))
        width = sum(self.get_submodule(self.branches[0]).feature_sizes)
        self.mix_weights_bn = BatchNorm(width, fused=True)
        self.mix_weights = Dense(width, branches)

    def forward(self, x: Tensor, present: Tensor) -> MixtureOutput:
        """Classify frames ``x`` (B,M,D); the representation is the weighted sum of the branches'."""
        weights = torch.softmax(self.mix_weights(self.mix_weights_bn(x.mean(1))), dim=-1)
        outputs = [self.get_submodule(name)(x, present) for name in self.branches]
        logits = torch.stack([out.logits for out in outputs], dim=1)
        representations = torch.stack([out.representation for out in outputs], dim=1)
        mixed = (weights[..., None] * logits).sum(1)
        output = Output((weights[..., None] * representations).sum(1), torch.sigmoid(mixed), mixed)
        return MixtureOutput(output, logits, weights)


def self_distillation(mixed: Tensor, branches: Tensor, temperature: float = 3.0) -> Tensor:
    """Mean over the batch of the sum over branches of KL(softmax(z/t) || softmax(z_n/t)); gradients flow through both sides.

    ``mixed`` z (B,C), ``branches`` z_n (B,N,C). The published weight of the term is 9 = t^2. 1e-8 stands inside each logarithm.
    """
    teacher = torch.softmax(mixed / temperature, dim=-1)[:, None]
    student = torch.softmax(branches / temperature, dim=-1)
    divergence = teacher * (torch.log(teacher + EPSILON) - torch.log(student + EPSILON))
    return divergence.sum((1, 2)).mean()
