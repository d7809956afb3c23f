"""MobileNetV3 (Howard et al., ICCV 2019): torchvision's, with the taps of the registry. The small trunks of Lite-MKD's students.

State-dict names are torchvision's: ``features.{i}.0`` and ``.1`` (stem and last convolution), ``features.{i}.block.{j}.{0,1}`` and
``.{fc1,fc2}`` (inverted residuals with squeeze-excitation), ``classifier.{0,3}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import mobilenetv3 as published


class MobileNetV3(nn.Module):
    """Images (B, 3, H, W) -> logits (B, n_classes), or the pooled feature (B, V) with ``n_classes=0``."""

    def __init__(self, make: Callable[..., published.MobileNetV3], n_classes: int = 1000) -> None:
        super().__init__()
        net = make(num_classes=n_classes or 1)
        self.features, self.width = net.features, net.features[-1].out_channels
        self.classifier: nn.Module = net.classifier if n_classes else nn.Identity()

    def stages(self, x: Tensor) -> dict[str, Tensor]:
        """The map after each entry of ``features``, by name (``features.0`` ...), in order."""
        maps: dict[str, Tensor] = {}
        for number, part in enumerate(self.features):
            x = maps[f"features.{number}"] = part(x)
        return maps

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, V, H/32, W/32); hardswish lets it go down to -3/8."""
        return self.features(x)

    def pool(self, x: Tensor) -> Tensor:
        """Global average pooling of the last map: (B, V)."""
        return F.adaptive_avg_pool2d(x, 1).flatten(1)

    def forward_head(self, x: Tensor) -> Tensor:
        """Logits (B, n_classes) of the last map."""
        return self.classifier(self.pool(x))

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, V)."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Classes (0: no classifier), read off a state dict."""
    return {"n_classes": state["classifier.3.weight"].shape[0] if "classifier.3.weight" in state else 0}


def mobilenet_v3_large(n_classes: int = 1000) -> MobileNetV3:
    """MobileNetV3-large: 5.5 M parameters, 0.22 GMAC at 224x224, V = 960."""
    return MobileNetV3(published.mobilenet_v3_large, n_classes)


def mobilenet_v3_small(n_classes: int = 1000) -> MobileNetV3:
    """MobileNetV3-small: 2.5 M parameters, 0.06 GMAC at 224x224, V = 576."""
    return MobileNetV3(published.mobilenet_v3_small, n_classes)
