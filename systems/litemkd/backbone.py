"""What turns the frames of clips into the features that a head compares: a trunk, pooled, with linear branches (spec C.2, C.6).

    trunk -> maximum over each of 4 x 4 cells -> mean of the cells -> branch(es) of width D

State names are the published ones: those of the trunk, and the branches ``res18_2048`` or ``fc`` (one), ``fc1`` and ``fc2`` (two).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from cache.errors import one_of
from systems.litemkd.heads import Outputs
from systems.litemkd.kinds import SHAPES
from systems.litemkd.strm import FrameMixer, PatchAttention
from systems.litemkd.trunk import CELLS, cells, last_map, trunk


class Backbone(nn.Module):
    """Clips (N, T, 3, H, W) to features (N, T, D) by name, in one of the shapes. ``net`` gives the trunk its weights."""

    def __init__(self, network: str, shape: str, dim: int = 2048, frames: int = 8, dropout: float = 0.1, net: Any = None) -> None:
        super().__init__()
        one_of("shape", shape, SHAPES)
        self.trunk_name, module, width = trunk(network, net, whole=shape == "pooled-d2m")
        self.add_module(self.trunk_name, module)
        self.shape, self.dim = shape, width if shape == "bare" else dim
        between = width
        if shape.startswith("strm"):
            self.attn_pat = PatchAttention(width, CELLS**2, dropout)
            self.fr_enrich = FrameMixer(dim, frames, dropout)
            between = dim if shape == "strm-d2m" else width
        self.single = "res18_2048" if network == "resnet18" else "fc"
        if shape == "plain" or shape.startswith("strm"):
            self.add_module(self.single, nn.Linear(width, dim))
        if shape.endswith("d2m") or shape == "strm":  # the published STRM student has two branches that it does not use
            self.fc1, self.fc2 = nn.Linear(between, dim), nn.Linear(between, dim)

    @property
    def trunk(self) -> nn.Module:
        """The convolutional part."""
        return self.get_submodule(self.trunk_name)

    def forward(self, clips: Tensor) -> Outputs:
        """Features by name. In training mode the statistics of batch norm are those of these clips."""
        return self.branches(self.pooled(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]))

    def pooled(self, images: Tensor) -> Tensor:
        """What the trunk and the pooling make of every frame by itself: (B, 3, H, W) to (B, V)."""
        if self.shape == "pooled-d2m":
            return last_map(self.trunk, images).mean((2, 3))
        found = cells(self.trunk, images)
        return self.attn_pat(found.transpose(1, 2)).mean(1) if self.shape.startswith("strm") else found.mean(2)

    def branches(self, pooled: Tensor) -> Outputs:
        """What becomes of pooled frames (N, T, V): features (N, T, D) by name."""
        if self.shape == "bare":
            return {"first": pooled}
        if self.shape.endswith("d2m") and not self.shape.startswith("strm"):
            return {"first": self.fc1(pooled), "second": self.fc2(pooled)}
        single = self.get_submodule(self.single)(pooled)
        if self.shape == "plain":
            return {"first": single}
        mixed = self.fr_enrich(single)
        if self.shape == "strm":
            return {"patches": single, "first": mixed}
        return {"patches": single, "first": self.fc1(mixed), "second": self.fc2(mixed)}
