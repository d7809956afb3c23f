"""What turns the frames of clips into the features that a head compares: a trunk, pooled, with linear branches (spec C.2, C.6).

    trunk -> maximum over each of 4 x 4 cells -> mean of the cells -> branch(es) of width D

A trunk is any image network of ``models.backbones``. State names are the published ones: ``resnet.<i>`` counts the parts of a ResNet,
``mobile.0.<i>`` those of a MobileNetV3, and the branches are ``res18_2048`` or ``fc`` (one), ``fc1`` and ``fc2`` (two).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cache.errors import one_of
from models.backbones import registry
from systems.litemkd.heads import Outputs
from systems.litemkd.strm import FrameMixer, PatchAttention

#: shape -> the features that it gives: ``bare`` without a branch, ``pooled-d2m`` with the mean of the whole map instead of cells
SHAPES: Mapping[str, tuple[str, ...]] = {
    "bare": ("first",),
    "plain": ("first",),
    "d2m": ("first", "second"),
    "pooled-d2m": ("first", "second"),
    "strm": ("patches", "first"),
    "strm-d2m": ("patches", "first", "second"),
}
CELLS = 4


class Trunk(nn.Module):
    """The convolutional part of an image network. ``net``, with or without pretrained weights, gives up its parts.

    ``whole``: the parts of a ResNet keep their names (``resnet.layer1...``) instead of being counted.
    """

    def __init__(self, name: str, net: Any = None, *, whole: bool = False) -> None:
        super().__init__()
        net = registry.build(name, **({} if registry.find(name).library == "" else {"n_classes": 0})) if net is None else net
        self.width = int(net.width)
        if name.startswith("resnet") and not whole:
            self.resnet = nn.Sequential(*list(net.children())[:-2])  # neither the average pooling nor the classifier
        elif name.startswith("mobilenet"):
            self.mobile = nn.Sequential(net.features)
        else:
            self.add_module("resnet" if name.startswith("resnet") else "net", net)
        (self._trunk,) = self._modules

    def maps(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) to the last map (B, V, h, w)."""
        trunk = self._modules[self._trunk]
        return trunk(images) if isinstance(trunk, nn.Sequential) else trunk.forward_features(images)

    def cells(self, images: Tensor) -> Tensor:
        """The maxima of 4 x 4 cells of the last map: (B, V, 4, 4)."""
        return F.adaptive_max_pool2d(self.maps(images), CELLS)


class Backbone(Trunk):
    """Clips (N, T, 3, H, W) to features (N, T, D) by name, in one of the shapes."""

    def __init__(self, trunk: str, shape: str, dim: int = 2048, frames: int = 8, dropout: float = 0.1, net: Any = None) -> None:
        one_of("shape", shape, SHAPES)
        super().__init__(trunk, net, whole=shape == "pooled-d2m")
        self.shape, self.dim = shape, self.width if shape == "bare" else dim
        between = self.width
        if shape.startswith("strm"):
            self.attn_pat = PatchAttention(self.width, CELLS**2, dropout)
            self.fr_enrich = FrameMixer(dim, frames, dropout)
            between = dim if shape == "strm-d2m" else self.width
        self.single = "res18_2048" if trunk == "resnet18" else "fc"
        if shape == "plain" or shape.startswith("strm"):
            self.add_module(self.single, nn.Linear(self.width, dim))
        if shape.endswith("d2m") or shape == "strm":  # the published STRM student has two branches that it does not use
            self.fc1, self.fc2 = nn.Linear(between, dim), nn.Linear(between, dim)

    def forward(self, clips: Tensor) -> Outputs:
        """Features by name. In training mode the statistics of batch norm are those of these clips."""
        count = clips.shape[:2]
        images = clips.flatten(0, 1)
        if self.shape.startswith("strm"):
            return self.enriched(self.cells(images), count)
        pooled = self.maps(images).mean((2, 3)) if self.shape == "pooled-d2m" else self.cells(images).mean((2, 3))
        return {name: value.unflatten(0, count) for name, value in self.branches(pooled).items()}

    def branches(self, pooled: Tensor) -> Outputs:
        """(..., V) to (..., D) for each branch."""
        if self.shape == "bare":
            return {"first": pooled}
        if self.shape == "plain":
            return {"first": self.get_submodule(self.single)(pooled)}
        return {"first": self.fc1(pooled), "second": self.fc2(pooled)}

    def enriched(self, cells: Tensor, count: torch.Size) -> Outputs:
        """STRM: the cells attend to one another; what comes of them, and of mixing the frames."""
        attended = self.attn_pat(cells.flatten(2).transpose(1, 2)).mean(1)
        patches = self.get_submodule(self.single)(attended).unflatten(0, count)
        mixed = self.fr_enrich(patches)
        return {"patches": patches, **(self.branches(mixed) if self.shape == "strm-d2m" else {"first": mixed})}
