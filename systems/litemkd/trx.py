"""Temporal cross-transformer (TRX; Perrett et al., CVPR 2021): queries are compared with prototypes made for them (spec C.1).

Symbols: T frames of width D, c the cardinality, n = C(T, c) tuples, d the width of keys and values, Ns support clips, Nq queries, W
classes. State names are the published ones: ``k_linear``, ``v_linear``, ``norm_k``, ``norm_v`` (there, but in no formula), ``pe.pe``. With
tuples of one frame it is the frame-level head of the original (CTX).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from systems.litemkd.grouping import by_class
from systems.litemkd.position import Position
from systems.litemkd.tuples import ordered_tuples, project_tuples


class Projected(NamedTuple):
    """Keys and values (N, n, d) of every tuple of N clips. They depend on the clip alone: they can be kept and shared by episodes."""

    keys: Tensor
    values: Tensor

    def of(self, clips: Tensor) -> Projected:
        """Those of some clips, by index."""
        return Projected(self.keys[clips], self.values[clips])

    def split(self, sizes: Sequence[int]) -> list[Projected]:
        """In parts of so many clips."""
        return [Projected(*parts) for parts in zip(self.keys.split(list(sizes)), self.values.split(list(sizes)))]


class CrossTransformer(nn.Module):
    """The head of one cardinality: support (Ns, T, D), its labels (Ns,) and queries (Nq, T, D) give logits (Nq, W)."""

    tuples: Tensor

    def __init__(self, in_dim: int = 2048, out_dim: int = 1152, cardinality: int = 2, frames: int = 8, dropout: float = 0.1) -> None:
        super().__init__()
        self.pe = Position(in_dim, frames * 3 // 2, dropout)
        self.k_linear = nn.Linear(in_dim * cardinality, out_dim)
        self.v_linear = nn.Linear(in_dim * cardinality, out_dim)
        self.norm_k = nn.LayerNorm(out_dim)
        self.norm_v = nn.LayerNorm(out_dim)
        self.register_buffer("tuples", ordered_tuples(frames, cardinality), persistent=False)

    def project(self, clips: Tensor) -> Projected:
        """(N, T, D) to what the comparison needs of them."""
        x = self.pe(clips)
        keys = self.norm_k(project_tuples(x, self.k_linear, self.tuples))
        return Projected(keys, project_tuples(x, self.v_linear, self.tuples))

    def prototypes(self, support: Projected, labels: Tensor, query: Projected, way: int | None = None) -> Tensor:
        """What each class offers for every tuple of every query, by attention over all tuples of its clips: (W, Nq, n, d)."""
        asked = query.keys.flatten(0, 1) * query.keys.shape[-1] ** -0.5
        groups = by_class(labels, way)
        order = torch.cat(groups)
        keys, values = (part.index_select(0, order).flatten(0, 1) for part in support)
        scores = asked @ keys.t()
        if len({len(group) for group in groups}) == 1:
            attention = scores.view(len(asked), len(groups), -1).softmax(-1).transpose(0, 1)
            found = attention @ values.view(len(groups), -1, values.shape[-1])
        else:
            sizes = [len(group) * query.keys.shape[1] for group in groups]
            found = torch.stack([s.softmax(-1) @ v for s, v in zip(scores.split(sizes, 1), values.split(sizes))])
        return found.view(len(groups), *query.values.shape)

    @staticmethod
    def compare(query: Projected, prototypes: Tensor) -> Tensor:
        """Logits (Nq, W): minus the squared distances of the queries' values from the prototypes (W, Nq, n, d), mean over tuples."""
        apart = F.mse_loss(prototypes, query.values.expand_as(prototypes), reduction="none")  # the squares in one pass
        return -apart.sum((-2, -1)).t() / query.values.shape[1]

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

    def each(self, support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> list[Tensor]:
        """Logits (Nq, W) of every cardinality."""
        return [head(support, labels, query, way) for head in self.transformers]

    def forward(self, support: Tensor, labels: Tensor, query: Tensor, way: int | None = None) -> Tensor:
        return torch.stack(self.each(support, labels, query, way)).mean(0)
