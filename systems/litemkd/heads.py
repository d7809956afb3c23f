"""Classifiers of students and the frozen heads of teachers, by name (spec C.3, C.4, C.6).

A backbone gives named features of every clip, each (N, T, D): ``first`` and ``second``, of its branches, and ``patches`` of STRM. A head
turns those of support and query into named logits (Nq, W) and, for the support level, distances (W, W - 1). All branches of a head
share one cross-transformer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cache.errors import one_of
from systems.litemkd.distance import mean_distance
from systems.litemkd.strm import PatchDistance
from systems.litemkd.support import support_distances
from systems.litemkd.trx import CrossTransformer

Features = Mapping[str, Tensor]
Outputs = dict[str, Tensor]


@dataclass(frozen=True)
class HeadKind:
    """``logits``: output -> the feature that it comes from; ``support``: so for distances; ``answer``: weights of the prediction."""

    logits: Mapping[str, str]
    answer: Mapping[str, float]
    support: Mapping[str, str] = field(default_factory=dict)
    matching: str = "trx"
    cardinality: int = 2


ONE, BOTH = {"logits": 1.0}, {"kl": 1.0, "ce": 1.0}
TWO = {"kl": "first", "ce": "second"}

HEADS: Mapping[str, HeadKind] = {
    "trx": HeadKind({"logits": "first"}, ONE),
    "ctx": HeadKind({"logits": "first"}, ONE, cardinality=1),
    "trx-two": HeadKind({"fc_1": "first", "fc_2": "second"}, {"fc_1": 1.0, "fc_2": 1.0}),
    "trx-support": HeadKind({"kl": "first"}, {"kl": 1.0}, {"sup": "first"}),  # one branch, and the frozen teacher
    "d2m": HeadKind(TWO, BOTH, {"sup": "second"}),
    "d2m-both": HeadKind(TWO, BOTH, {"sup_kl": "first", "sup_ce": "second"}),
    "trx-prototypes": HeadKind({"query": "first"}, {"query": 1.0}, matching="prototypes"),
    "distance": HeadKind({"logits": "first"}, ONE, matching="distance"),
    "distance-two": HeadKind({"fc_1": "first", "fc_2": "second"}, {"fc_1": 1.0, "fc_2": 1.0}, matching="distance"),
    "distance-support": HeadKind({"kl": "first"}, {"kl": 1.0}, {"sup": "first"}, matching="distance"),
    "distance-d2m": HeadKind(TWO, BOTH, {"sup": "second"}, matching="distance"),
    "strm": HeadKind({"pat": "patches", "fr": "first"}, {"pat": 0.1, "fr": 1.0}),
    "strm-two": HeadKind({"pat": "patches", "fr1": "first", "fr2": "second"}, {"pat": 0.2, "fr1": 1.0, "fr2": 1.0}),
    "strm-support": HeadKind({"pat": "patches", "fr": "first"}, {"pat": 0.1, "fr": 1.0}, {"sup": "first"}),
    "strm-d2m": HeadKind({"pat": "patches", "fr1": "first", "fr2": "second"}, {"pat": 0.2, "fr1": 1.0, "fr2": 1.0}, {"sup": "second"}),
}


class Head(nn.Module):
    """A head by name. State: ``transformers.*`` (not of distance heads) and, of STRM, ``DistanceLoss.clsW.*``."""

    def __init__(
        self,
        name: str,
        in_dim: int = 2048,
        out_dim: int = 1152,
        frames: int = 8,
        dropout: float = 0.1,
        *,
        support_grouping: str = "label",
    ) -> None:
        super().__init__()
        one_of("head", name, HEADS)
        self.kind, self.support_grouping = HEADS[name], support_grouping
        if self.kind.matching != "distance":
            self.transformers = CrossTransformer(in_dim, out_dim, self.kind.cardinality, frames, dropout)
        if "pat" in self.kind.logits:
            self.DistanceLoss = PatchDistance(in_dim, 2, frames, dropout)

    def forward(self, support: Features, labels: Tensor, query: Features) -> Outputs:
        """Features of Ns support and Nq query clips, and the labels (Ns,) of the former, to the outputs by name."""
        outputs = {}
        branches = {output: feature for output, feature in self.kind.logits.items() if output != "pat"}
        if "pat" in self.kind.logits:
            feature = self.kind.logits["pat"]
            outputs["pat"] = self.DistanceLoss(support[feature], labels, query[feature])
        if self.kind.matching == "distance":
            outputs |= {output: mean_distance(support[feature], labels, query[feature]) for output, feature in branches.items()}
        else:
            outputs |= self.transformed(branches, support, labels, query)
        for output, feature in self.kind.support.items():
            outputs[output] = support_distances(support[feature], labels, self.support_grouping)
        return outputs

    def transformed(self, branches: Mapping[str, str], support: Features, labels: Tensor, query: Features) -> Outputs:
        """The branches through their cross-transformer, which projects the clips of all in one go."""
        clips = [clips for feature in branches.values() for clips in (support[feature], query[feature])]
        parts = iter(self.transformers.project(torch.cat(clips)).split([len(part) for part in clips]))
        outputs = {}
        for output, known, asked in zip(branches, parts, parts):
            prototypes = self.transformers.prototypes(known, labels, asked)
            outputs[output] = self.transformers.compare(asked, prototypes)
            if self.kind.matching == "prototypes":
                outputs["support_set"] = similarity(prototypes)
        return outputs

    def answer(self, outputs: Outputs) -> Tensor:
        """The logits (Nq, W) whose largest is the prediction."""
        return torch.stack([weight * outputs[name] for name, weight in self.kind.answer.items()]).sum(0)


def similarity(prototypes: Tensor) -> Tensor:
    """Cosines between the prototypes (W, Nq, n, d) that the classes offer a query: (Nq, W, W)."""
    directions = F.normalize(prototypes.flatten(2).transpose(0, 1), dim=-1)
    return directions @ directions.transpose(1, 2)
