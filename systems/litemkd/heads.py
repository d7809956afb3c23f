"""Classifiers of students and the frozen heads of teachers, by name (spec C.3, C.4, C.6).

A backbone gives named features of every clip, each (N, T, D): ``first`` and ``second``, of its branches, and ``patches`` of STRM. A head
turns those of support and query into named logits (Nq, W) and, for the support level, distances (W, W - 1). All branches of a head
share one cross-transformer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cache.errors import one_of
from systems.litemkd.distance import compare_means
from systems.litemkd.kinds import HEADS
from systems.litemkd.strm import PatchDistance
from systems.litemkd.support import support_distances
from systems.litemkd.trx import CrossTransformer, Projected

Features = Mapping[str, Tensor]
Outputs = dict[str, Tensor]
Prepared = dict[str, Any]


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

    def prepare(self, features: Features) -> Prepared:
        """What the comparison needs of each clip, by output. It can be kept, and shared by all episodes in which the clip is."""
        branches = {output: features[feature] for output, feature in self.kind.logits.items() if output != "pat"}
        prepared: Prepared = {}
        if "pat" in self.kind.logits:
            prepared["pat"] = self.DistanceLoss.prepare(features[self.kind.logits["pat"]])
        if self.kind.matching == "distance":
            return prepared | {output: clips.mean(1) for output, clips in branches.items()}
        projected = self.transformers.project(torch.cat(list(branches.values())))  # the clips of all branches in one go
        return prepared | dict(zip(branches, projected.split([len(clips) for clips in branches.values()])))

    def match(self, support: Prepared, labels: Tensor, query: Prepared) -> Outputs:
        """The logits of prepared clips; ``labels`` (Ns,) are those of the support clips."""
        outputs: Outputs = {}
        for output in self.kind.logits:
            known, asked = support[output], query[output]
            if output == "pat":
                outputs[output] = self.DistanceLoss.compare(known, labels, asked)
            elif self.kind.matching == "distance":
                outputs[output] = compare_means(known, labels, asked)
            else:
                prototypes = self.transformers.prototypes(known, labels, asked)
                outputs[output] = self.transformers.compare(asked, prototypes)
                if self.kind.matching == "prototypes":
                    outputs["support_set"] = similarity(prototypes)
        return outputs

    def forward(self, support: Features, labels: Tensor, query: Features) -> Outputs:
        """Features of Ns support and Nq query clips, and the labels (Ns,) of the former, to logits and support distances by name."""
        prepared = self.prepare({name: torch.cat([support[name], query[name]]) for name in set(self.kind.logits.values())})
        count = len(labels)
        outputs = self.match(chosen(prepared, slice(count)), labels, chosen(prepared, slice(count, None)))
        for output, feature in self.kind.support.items():
            outputs[output] = support_distances(support[feature], labels, self.support_grouping)
        return outputs

    def answer(self, outputs: Outputs) -> Tensor:
        """The logits (Nq, W) whose largest is the prediction."""
        return torch.stack([weight * outputs[name] for name, weight in self.kind.answer.items()]).sum(0)


def chosen(prepared: Prepared, clips: Tensor | slice) -> Prepared:
    """Some of the prepared clips: by index (int64), or a range."""
    return {output: part.of(clips) if isinstance(part, Projected) else part[clips] for output, part in prepared.items()}


def similarity(prototypes: Tensor) -> Tensor:
    """Cosines between the prototypes (W, Nq, n, d) that the classes offer a query: (Nq, W, W)."""
    directions = F.normalize(prototypes.flatten(2).transpose(0, 1), dim=-1)
    return directions @ directions.transpose(1, 2)
