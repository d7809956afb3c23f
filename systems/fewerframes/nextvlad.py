"""NeXtVLAD (Lin, Xiao, Fan, ECCV-W 2018; spec 5.1 and 5.2): encoder of one modality, and the video classifier.

Symbols: B batch, M frames, D input width, E = lambda D, G groups, K clusters, F = E / G, H hidden width, r gating reduction.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from cache.errors import ConfigError
from models.training import distributed
from systems.fewerframes.arithmetic import l2
from systems.fewerframes.batch_norm import BatchNorm
from systems.fewerframes.classifiers import attach, classify
from systems.fewerframes.dense import Dense
from systems.fewerframes.initial import variance_scaling
from systems.fewerframes.outer import product
from systems.fewerframes.output import Output
from systems.fewerframes.packed import Packed, pooled
from systems.fewerframes.vlad_sums import Layers, fits, vlad_sums, worth


class Assignment(NamedTuple):
    """How frames are shared out: ``expanded`` e (B,M,E), ``attention`` of the groups, masked (B,M,G), ``clusters`` softmax (B,MG,K)."""

    expanded: Tensor
    attention: Tensor
    clusters: Tensor


class NeXtVLADEncoder(nn.Module):
    """Frames of one modality to one normalised vector of F K numbers, feature-major (index f K + k)."""

    def __init__(self, width: int, *, groups: int, clusters: int, expansion: float) -> None:
        super().__init__()
        expanded = int(expansion * width)
        if expanded % groups:
            raise ConfigError(f"{expanded} expanded channels (expansion {expansion} x {width}) do not split into {groups} groups")
        self.groups, self.clusters, self.size = groups, clusters, expanded // groups
        self.fully_connected = Dense(width, expanded)
        self.fully_connected_1 = Dense(expanded, groups)
        self.cluster_weights = nn.Parameter(variance_scaling(torch.empty(expanded, groups * clusters)))
        self.cluster_bn = BatchNorm(groups * clusters, fused=False)
        self.cluster_weights2 = nn.Parameter(variance_scaling(torch.empty(1, self.size, clusters)))
        self.vlad_bn = BatchNorm(self.size * clusters, fused=False)

    @property
    def outputs(self) -> int:
        """Length of the vector: F K."""
        return self.size * self.clusters

    def assign(self, x: Tensor, present: Tensor) -> Assignment:
        """Share the frames ``x`` (B,M,D) out among the clusters; ``present`` (B,M) is false for padded frames.

        Padded frames take part in the statistics of ``cluster_bn`` in training mode (quirk 3), and nowhere else.
        """
        batch, frames, _ = x.shape
        expanded = self.fully_connected(x)
        attention = torch.sigmoid(self.fully_connected_1(expanded)) * present[..., None]
        scores = self.cluster_bn(expanded.reshape(batch * frames, -1) @ self.cluster_weights)
        return Assignment(expanded, attention, torch.softmax(scores.view(batch, frames * self.groups, self.clusters), dim=-1))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """(B,M,D) and (B,M) bool to (B, F K): residuals to the cluster centres, l2 per cluster, batch norm; no second l2."""
        batch = x.shape[0]
        expanded, attention, clusters = self.assign(x, present)
        weights = clusters * attention.reshape(batch, -1, 1)
        sums = torch.bmm(expanded.reshape(batch, -1, self.size).transpose(1, 2), weights)
        return self._describe(sums, weights.sum(1, keepdim=True))

    def forward_packed(self, frames: Packed) -> Tensor:
        """The same from packed frames: the padding costs one row, and cluster scores are taken from the frames directly.

        In training x W0 Wc is x (W0 Wc) where that is less work. Equal to :meth:`forward` but for rounding.
        """
        rows, counts, padding, padded = frames
        merge = self.training and worth(len(rows), *self.fully_connected.weights.shape)
        if merge and fits(rows):
            return self._learn(frames)
        expanded = self.fully_connected(rows)
        attention = torch.sigmoid(self.fully_connected_1(expanded))
        if merge:
            merged = self.fully_connected.weights @ self.cluster_weights
            scores = torch.addmm(self.fully_connected.biases @ self.cluster_weights, rows, merged)
        else:
            scores = expanded @ self.cluster_weights
        scores = self.cluster_bn.forward_repeated(scores, self.fully_connected(padding[None])[0] @ self.cluster_weights, padded)
        weights = torch.softmax(scores.view(-1, self.clusters), dim=-1) * attention.view(-1, 1)
        sums = pooled(expanded.view(-1, self.size), weights, counts, self.groups)
        ones = weights.new_ones(len(weights), 1)
        return self._describe(sums, pooled(ones, weights, counts, self.groups))

    def _learn(self, frames: Packed) -> Tensor:
        """:meth:`forward_packed` with gradients by hand."""
        expand, attend, norm = self.fully_connected, self.fully_connected_1, self.cluster_bn
        layers = Layers(expand.weights, expand.biases, attend.weights, attend.biases, self.cluster_weights, norm.gamma, norm.beta)
        found = vlad_sums(frames, self.groups, layers)
        norm.update(found.mean, found.variance, len(frames.rows) + frames.padded)
        return self._describe(found.sums, found.totals)

    def _describe(self, sums: Tensor, totals: Tensor) -> Tensor:
        """(B,F,K) sums and (B,1,K) totals of the weights, to the normalised vector."""
        return self.vlad_bn(l2(sums - totals * self.cluster_weights2, 1).reshape(len(sums), -1))


class NeXtVLAD(nn.Module):
    """The video classifier: encoders, dropout, a hidden layer with squeeze-and-excitation gating, a classifier.

    ``feature_sizes`` are the widths of rgb and audio; one width alone is a network without audio, which has half the groups
    and half the clusters of rgb. An ``expansion`` below 1 makes the network narrower than its input. ``classifier`` is
    ``"logistic"`` or ``"moe"``. The defaults are the published setting (88.9 M parameters). ``scopes`` are the names of the
    encoders, as the checkpoints have them.
    """

    def __init__(
        self,
        classes: int,
        *,
        feature_sizes: tuple[int, ...] = (1024, 128),
        groups: int = 8,
        clusters: int = 128,
        hidden: int = 2048,
        expansion: float = 2.0,
        gating_reduction: int = 8,
        drop_rate: float = 0.5,
        classifier: str = "logistic",
        experts: int = 4,
        scopes: tuple[str, str] = ("video_VLAD", "audio_VLAD"),
    ) -> None:
        super().__init__()
        self.feature_sizes, self.drop_rate, self.hidden = tuple(feature_sizes), drop_rate, hidden
        self.scopes = scopes[: len(feature_sizes)]
        for share, (scope, width) in enumerate(zip(self.scopes, feature_sizes), start=1):
            encoder = NeXtVLADEncoder(width, groups=groups // share, clusters=clusters // share, expansion=expansion)
            self.add_module(scope, encoder)
        self.hidden1_weights = nn.Parameter(variance_scaling(torch.empty(sum(e.outputs for e in self.encoders), hidden)))
        self.hidden1_bn = BatchNorm(hidden, fused=False)
        self.gating_weights_1 = nn.Parameter(variance_scaling(torch.empty(hidden, hidden // gating_reduction)))
        self.gating_bn = BatchNorm(hidden // gating_reduction, fused=True)
        self.gating_weights_2 = nn.Parameter(variance_scaling(torch.empty(hidden // gating_reduction, hidden)))
        attach(self, classifier, hidden, classes, experts)

    @property
    def encoders(self) -> list[NeXtVLADEncoder]:
        """The encoders of the modalities, rgb first."""
        return [self.get_submodule(scope) for scope in self.scopes]  # type: ignore[misc]

    def encode(self, x: Tensor, present: Tensor) -> Tensor:
        """The concatenated VLAD vectors of frames (B,M,D) before dropout."""
        parts = x.split(self.feature_sizes, dim=-1)
        return torch.cat([encoder(part, present) for encoder, part in zip(self.encoders, parts)], dim=1)

    def forward(self, x: Tensor, present: Tensor) -> Output:
        """Classify frames ``x`` (B,M,D), normalised; ``present`` (B,M) bool is false for padded frames."""
        return self._classify(self.encode(x, present))

    def forward_packed(self, frames: Packed) -> Output:
        """The same from packed frames."""
        rows, paddings = (part.split(self.feature_sizes, dim=-1) for part in (frames.rows, frames.padding))
        parts = [frames._replace(rows=row, padding=padding) for row, padding in zip(rows, paddings)]
        return self._classify(torch.cat([encoder.forward_packed(part) for encoder, part in zip(self.encoders, parts)], dim=1))

    def _classify(self, encoded: Tensor) -> Output:
        vlad = distributed.dropout(encoded, self.drop_rate, self.training)
        hidden = self.hidden1_bn(product(vlad, self.hidden1_weights))
        gate = torch.relu(self.gating_bn(hidden @ self.gating_weights_1))
        representation = hidden * torch.sigmoid(gate @ self.gating_weights_2)
        probabilities, logits = classify(self, representation)
        return Output(representation, probabilities, logits)
