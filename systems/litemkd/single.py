"""Few-shot networks of one modality, and the frame features that they dump for the teacher (spec C.5).

They see the pictures of one modality, in three channels whatever it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cache.errors import one_of
from systems.litemkd.distance import mean_distance
from systems.litemkd.heads import Outputs
from systems.litemkd.strm import FrameMixer, PatchAttention, PatchDistance
from systems.litemkd.trunk import CELLS, cells, last_map, trunk
from systems.litemkd.trx import TRX

#: kind -> what is done with the last map
KINDS: Mapping[str, str] = {"trx": "cells", "trm": "mean", "baseline": "mean", "strm": "attention"}
#: how much the patches of ``strm`` say in its prediction, as in its students' (spec F)
PATCHES = 0.1


class Single(nn.Module):
    """Support clips (Ns, T, 3, H, W), labels (Ns,) and queries to ``logits`` (Nq, W), and of ``strm`` also ``pat`` (Nq, W).

    ``published`` keeps what published states of ``trx`` have and no formula uses: the parts of STRM. State: ``resnet.*`` (``backbone.*`` of
    ``trm``), ``transformers.<i>.*``, ``attn_pat.*``, ``fr_enrich.*``. The patch heads of ``strm`` are trained and saved here; the
    published code keeps them out of the optimiser's and the state's sight, so no checkpoint has them (spec C.6). ``net`` gives the trunk
    its weights.
    """

    def __init__(
        self,
        kind: str,
        network: str = "resnet50",
        out_dim: int = 1152,
        cardinalities: Sequence[int] = (2,),
        frames: int = 8,
        dropout: float = 0.1,
        *,
        published: bool = False,
        net: Any = None,
    ) -> None:
        super().__init__()
        one_of("kind", kind, KINDS)
        name, module, self.width = trunk(network, net, whole=kind == "baseline")
        self.kind, self.trunk_name = kind, "backbone" if kind == "trm" else name
        self.add_module(self.trunk_name, module)
        if kind != "baseline":
            self.transformers = TRX(self.width, out_dim, cardinalities, frames, dropout).transformers
        if kind == "strm" or (kind == "trx" and published):
            self.attn_pat = PatchAttention(self.width, CELLS**2, dropout)
            self.fr_enrich = FrameMixer(self.width, frames, dropout)
        if kind == "strm":
            self.new_dist_loss_post_pat = nn.ModuleList(PatchDistance(self.width, c, frames, dropout) for c in cardinalities)

    def features(self, clips: Tensor) -> Tensor:
        """The frame features that are dumped: (N, T, 3, H, W) to (N, T, V)."""
        images, module, pooling = clips.flatten(0, 1), self.get_submodule(self.trunk_name), KINDS[self.kind]
        if pooling == "mean":
            pooled = last_map(module, images).mean((2, 3))
        elif pooling == "cells":
            pooled = cells(module, images).mean(2)
        else:
            pooled = self.attn_pat(cells(module, images).transpose(1, 2)).mean(1)
        return pooled.unflatten(0, clips.shape[:2])

    def seeing(self) -> list[nn.Module]:
        """The parts that :meth:`features` runs."""
        return [self.get_submodule(name) for name in (self.trunk_name, *(["attn_pat"] if self.kind == "strm" else []))]

    def forward(self, support: Tensor, labels: Tensor, query: Tensor) -> Outputs:
        return self.match(self.features(support), labels, self.features(query))

    def match(self, support: Tensor, labels: Tensor, query: Tensor) -> Outputs:
        """The outputs for features (N, T, V)."""
        if self.kind == "baseline":
            return {"logits": mean_distance(support, labels, query)}
        outputs = {}
        if self.kind == "strm":
            outputs["pat"] = torch.stack([head(support, labels, query) for head in self.new_dist_loss_post_pat]).mean(0)
            support, query = self.fr_enrich(support), self.fr_enrich(query)
        return {"logits": torch.stack([head(support, labels, query) for head in self.transformers]).mean(0), **outputs}

    @staticmethod
    def answer(outputs: Outputs) -> Tensor:
        """The logits (Nq, W) whose largest is the prediction: of ``strm`` those of the frames and a tenth of those of the patches."""
        return outputs["logits"] + PATCHES * outputs["pat"] if "pat" in outputs else outputs["logits"]
