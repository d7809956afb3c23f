"""The convolutional part of an image network of ``models.backbones``, under the published state names (spec C.2).

``resnet.<i>`` counts the parts of a ResNet (0 its first convolution, 4 to 7 its stages), ``mobile.0.<i>`` those of a MobileNetV3. Any other
network is ``net.*`` with its own names.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from models.backbones import registry
from models.training import lean_resnet

#: maxima of so many cells a side are what becomes of the last map
CELLS = 4


class Trunk(NamedTuple):
    """The attribute that a network keeps it under, the module, and V, its channels."""

    name: str
    module: nn.Module
    width: int


def trunk(network: str, net: Any = None, *, whole: bool = False) -> Trunk:
    """The trunk of a registered network, of fresh weights or of ``net``, which gives up its parts.

    ``whole``: the parts of a ResNet keep their own names (``resnet.layer1...``).
    """
    if net is None:
        net = registry.build(network, **({"n_classes": 0} if registry.find(network).library else {}))
    if network.startswith("mobilenet"):
        return Trunk("mobile", nn.Sequential(net.features), net.width)
    if not network.startswith("resnet"):
        return Trunk("net", net, net.width)
    return Trunk("resnet", net if whole else nn.Sequential(*list(net.children())[:-2]), net.width)


def last_map(module: nn.Module, images: Tensor) -> Tensor:
    """(B, 3, H, W) to (B, V, h, w) by a trunk."""
    lean = getattr(module, "lean", None)
    if lean is not None and lean.suits(images):
        return lean(images)
    return module(images) if isinstance(module, nn.Sequential) else module.forward_features(images)


def make_lean(module: nn.Module) -> bool:
    """Let a trunk train in its lean form, if it has one (:mod:`models.training.lean_resnet`); whether it has. Numbers agree to rounding."""
    found = lean_resnet.lean(module)
    object.__setattr__(module, "lean", found)
    return found is not None


def cells(module: nn.Module, images: Tensor) -> Tensor:
    """The maxima of 4 x 4 cells of the last map: (B, 3, H, W) to (B, V, 16)."""
    return F.adaptive_max_pool2d(last_map(module, images), CELLS).flatten(2)
