"""NetVLAD with context gating (Miech, Laptev, Sivic 2017, code line W; spec 5.6).

Symbols: B batch, M sampled frames, D input width, K clusters, H hidden width, C classes. There are no groups, no expansion and no
mask: frames are drawn from the real ones beforehand (:func:`systems.fewerframes.frames.with_replacement`).
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from systems.fewerframes.arithmetic import l2
from systems.fewerframes.batch_norm import BatchNorm
from systems.fewerframes.classifiers import attach, classify
from systems.fewerframes.initial import normal
from systems.fewerframes.outer import product
from systems.fewerframes.output import Output

BIAS_SIGMA = 0.01


class NetVLADEncoder(nn.Module):
    """Frames (B,M,D) of one modality to a vector of D K numbers of length 1, index d K + k."""

    def __init__(self, width: int, clusters: int) -> None:
        super().__init__()
        draw = partial(normal, sigma=1 / math.sqrt(width))
        self.outputs = width * clusters
        self.cluster_weights = nn.Parameter(draw(torch.empty(width, clusters)))
        self.cluster_bn = BatchNorm(clusters, fused=True)
        self.cluster_weights2 = nn.Parameter(draw(torch.empty(1, width, clusters)))

    def forward(self, x: Tensor) -> Tensor:
        """Soft assignment, residuals, l2 over D per cluster, l2 over the whole vector."""
        batch, frames, width = x.shape
        scores = self.cluster_bn(x.reshape(-1, width) @ self.cluster_weights)
        weights = torch.softmax(scores, dim=-1).view(batch, frames, -1)
        residuals = torch.bmm(x.transpose(1, 2), weights) - weights.sum(1, keepdim=True) * self.cluster_weights2
        return l2(l2(residuals, 1).reshape(batch, -1), 1)


class NetVLAD(nn.Module):
    """The classifier: batch norm of the input, encoders, a hidden layer, context gating, gated mixture of experts.

    ``relu`` puts batch norm and ReLU6 behind the hidden layer in place of a bias (the published flag ``netvlad_relu``).
    ``gating`` and ``probability_gating`` are the two context gates, both on as published.
    """

    def __init__(
        self,
        classes: int,
        *,
        feature_sizes: tuple[int, ...] = (1024, 128),
        clusters: int = 256,
        hidden: int = 1024,
        relu: bool = False,
        gating: bool = True,
        probability_gating: bool = True,
        classifier: str = "moe",
        experts: int = 2,
    ) -> None:
        super().__init__()
        self.feature_sizes, self.relu = tuple(feature_sizes), relu
        self.gating, self.probability_gating = gating, probability_gating
        self.input_bn = BatchNorm(sum(feature_sizes), fused=True)
        self.scopes = ("video_VLAD", "audio_VLAD")[: len(feature_sizes)]
        for share, (scope, width) in enumerate(zip(self.scopes, feature_sizes), start=1):
            self.add_module(scope, NetVLADEncoder(width, clusters // share))
        inputs = sum(encoder.outputs for encoder in self.encoders)
        self.hidden1_weights = nn.Parameter(normal(torch.empty(inputs, hidden), 1 / math.sqrt(clusters)))
        if relu:
            self.hidden1_bn = BatchNorm(hidden, fused=True)
        else:
            self.hidden1_biases = nn.Parameter(normal(torch.empty(hidden), BIAS_SIGMA))
        if gating:
            self.gating_weights_2 = nn.Parameter(normal(torch.empty(hidden, hidden), 1 / math.sqrt(hidden)))
            self.gating_bn = BatchNorm(hidden, fused=True)
        attach(self, classifier, hidden, classes, experts)
        if probability_gating:
            self.gating_prob_weights = nn.Parameter(normal(torch.empty(classes, classes), 1 / math.sqrt(classes)))
            self.gating_prob_bn = BatchNorm(classes, fused=True)

    @property
    def encoders(self) -> list[NetVLADEncoder]:
        """The encoders of the modalities, rgb first."""
        return [self.get_submodule(scope) for scope in self.scopes]  # type: ignore[misc]

    def encode(self, x: Tensor) -> Tensor:
        """The concatenated VLAD vectors of frames (B,M,D) that are l2-normalised."""
        normalised = self.input_bn(x.reshape(-1, x.shape[-1])).view_as(x)
        return torch.cat([encode(part) for encode, part in zip(self.encoders, normalised.split(self.feature_sizes, dim=-1))], dim=1)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Output:
        """Classify frames ``x`` (B,M,D); ``present`` is not used, since every sampled frame is real."""
        hidden = product(self.encode(x), self.hidden1_weights)
        hidden = F.relu6(self.hidden1_bn(hidden)) if self.relu else hidden + self.hidden1_biases
        if self.gating:
            hidden = hidden * torch.sigmoid(self.gating_bn(hidden @ self.gating_weights_2))
        probabilities, logits = classify(self, hidden)
        if self.probability_gating:
            probabilities = probabilities * torch.sigmoid(self.gating_prob_bn(probabilities @ self.gating_prob_weights))
            logits = None
        return Output(hidden, probabilities, logits)
