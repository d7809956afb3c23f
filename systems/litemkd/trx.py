"""Temporal cross-transformer (TRX; Perrett et al., CVPR 2021): queries are compared with prototypes made for them (spec C.1).

Symbols: T frames of width D, c the cardinality, n = C(T, c) tuples, P parts (``tuples.py``), d the width of keys and values, Ns support
clips, Nq queries, W classes. State names are the published ones: ``k_linear``, ``v_linear``, ``norm_k``, ``norm_v`` (there, but in no
formula), ``pe.pe``. With tuples of one frame it is the frame-level head of the original (CTX).

Products of keys and sums of values are taken between parts and then added up over tuples, which for pairs are twice as many. The key of
a tuple is normalised, and that is linear but for its deviation: with parts k_p without their mean,

    LN(sum k_p) = gain (sum k_p) / deviation + bias,    deviation^2 = sum over p, q of <k_p, k_q> / d + 1e-5

so a product of two keys is that of their parts over both deviations, and what the biases add. What is the same for all keys of a
support set is left out, as the softmax does not see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from systems.litemkd.grouping import by_class
from systems.litemkd.position import Position
from systems.litemkd.tuples import membership, project_parts


class Projected(NamedTuple):
    """What the comparison needs of N clips. It depends on each clip alone, so it can be kept and shared by episodes.

    ``keys`` (N, P, d): parts of the keys without their mean, times the gain. ``scales`` and ``biases`` (N, n) of every tuple: one over its
    deviation, and its product with the bias of the normalisation. ``values`` (N, P, d): parts of the values.
    """

    keys: Tensor
    scales: Tensor
    biases: Tensor
    values: Tensor

    def of(self, clips: Tensor | slice) -> Projected:
        """Those of some clips: by index (int64), or a range."""
        return Projected(*(part[clips] for part in self))

    def split(self, sizes: Sequence[int]) -> list[Projected]:
        """In lots of so many clips."""
        return [Projected(*parts) for parts in zip(*(part.split(list(sizes)) for part in self))]


class CrossTransformer(nn.Module):
    """The head of one cardinality: support (Ns, T, D), its labels (Ns,) and queries (Nq, T, D) give logits (Nq, W)."""

    members: Tensor

    def __init__(self, in_dim: int = 2048, out_dim: int = 1152, cardinality: int = 2, frames: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.cardinality = cardinality
        self.pe = Position(in_dim, frames * 3 // 2, dropout)
        self.k_linear = nn.Linear(in_dim * cardinality, out_dim)
        self.v_linear = nn.Linear(in_dim * cardinality, out_dim)
        self.norm_k = nn.LayerNorm(out_dim)
        self.norm_v = nn.LayerNorm(out_dim)
        self.register_buffer("members", membership(frames, cardinality), persistent=False)

    def project(self, clips: Tensor) -> Projected:
        """(N, T, D) to what the comparison needs of them."""
        x, members = self.pe(clips), self.members
        parts, values = project_parts(x, (self.k_linear, self.v_linear), self.cardinality)
        parts = parts - parts.mean(-1, keepdim=True)
        square = (members @ (parts @ parts.transpose(1, 2)) * members).sum(-1) / parts.shape[-1]
        scales = torch.rsqrt(square.clamp_min(0) + self.norm_k.eps)
        keys = parts * self.norm_k.weight
        biases = scales * ((keys @ self.norm_k.bias) @ members.t())
        return Projected(keys, scales, biases, values)

    def scores(self, support: Projected, query: Projected) -> Tensor:
        """Products of keys over sqrt(d), but for what a query's tuple has in common with all: (Nq, n, Ns, n)."""
        asked, known = len(query.keys), len(support.keys)
        between = query.keys.flatten(0, 1) @ support.keys.flatten(0, 1).t()
        of_query = self.members @ between.view(asked, -1, known * support.keys.shape[1])
        products = of_query.view(asked, -1, known, support.keys.shape[1]) @ self.members.t()
        scaled = torch.addcmul(support.biases, products * query.scales[..., None, None], support.scales)
        return scaled * self.k_linear.out_features**-0.5

    def prototypes(self, support: Projected, labels: Tensor, query: Projected, way: int | None = None) -> Tensor:
        """What each class offers for every tuple of every query, by attention over all tuples of its clips: (W, Nq, n, d)."""
        groups = by_class(labels, way)
        support = support.of(torch.cat(groups))
        sizes = [len(group) for group in groups]
        lots = zip(self.scores(support, query).split(sizes, 2), support.values.split(sizes))
        return torch.stack([self._attend(scores, values) for scores, values in lots])

    def _attend(self, scores: Tensor, values: Tensor) -> Tensor:
        """Scores (Nq, n, K, n) of a class and the values (K, P, d) of its clips to prototypes (Nq, n, d)."""
        attention = scores.flatten(2).softmax(-1).view(scores.shape) @ self.members
        return attention.flatten(2) @ values.flatten(0, 1)

    def compare(self, query: Projected, prototypes: Tensor) -> Tensor:
        """Logits (Nq, W): minus the squared distances of the queries' values from the prototypes (W, Nq, n, d), mean over tuples."""
        values = self.members @ query.values
        apart = F.mse_loss(prototypes, values.expand_as(prototypes), reduction="none")  # the squares in one pass
        return -apart.sum((-2, -1)).t() / values.shape[1]

    def match(self, support: Projected, labels: Tensor, query: Projected, way: int | None = None) -> Tensor:
        """Logits (Nq, W) of clips that :meth:`project` has seen."""
        return self.compare(query, self.prototypes(support, labels, query, way))

    def forward(self, support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> Tensor:
        known, asked = self.project(torch.cat([support, query])).split([len(support), len(query)])
        return self.match(known, labels, asked, way)


class TRX(nn.Module):
    """Heads of several cardinalities; the logits (Nq, W) are their mean. State: ``transformers.<i>.*``, i as in ``cardinalities``."""

    def __init__(
        self, in_dim: int = 2048, out_dim: int = 1152, cardinalities: Sequence[int] = (2,), frames: int = 8, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.transformers = nn.ModuleList(CrossTransformer(in_dim, out_dim, c, frames, dropout) for c in cardinalities)

    def project(self, clips: Tensor) -> list[Projected]:
        """(N, T, D) to what every head needs of them."""
        return [head.project(clips) for head in self.transformers]

    def match(self, support: Sequence[Projected], labels: Tensor, query: Sequence[Projected], way: int | None = None) -> Tensor:
        """Logits (Nq, W) of clips that :meth:`project` has seen."""
        each = [head.match(known, labels, asked, way) for head, known, asked in zip(self.transformers, support, query)]
        return torch.stack(each).mean(0)

    def each(self, support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> list[Tensor]:
        """Logits (Nq, W) of every cardinality."""
        return [head(support, labels, query, way) for head in self.transformers]

    def forward(self, support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> Tensor:
        return torch.stack(self.each(support, labels, query, way)).mean(0)
