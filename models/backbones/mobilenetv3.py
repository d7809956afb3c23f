"""MobileNetV3 (Howard et al., ICCV 2019) as torchvision has it: the small trunks of Lite-MKD's students.

State-dict names are torchvision's: ``features.{i}.0`` and ``.1`` (stem and last convolution), ``features.{i}.block.{j}.{0,1}`` and
``.{fc1,fc2}`` (inverted residuals with squeeze-excitation), ``classifier.{0,3}``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

#: One inverted residual: inputs, kernel, expanded, outputs, squeeze-excitation, activation (R: ReLU, H: hardswish), stride.
Row = tuple[int, int, int, int, bool, str, int]

LARGE: tuple[Row, ...] = (
    (16, 3, 16, 16, False, "R", 1),
    (16, 3, 64, 24, False, "R", 2),
    (24, 3, 72, 24, False, "R", 1),
    (24, 5, 72, 40, True, "R", 2),
    (40, 5, 120, 40, True, "R", 1),
    (40, 5, 120, 40, True, "R", 1),
    (40, 3, 240, 80, False, "H", 2),
    (80, 3, 200, 80, False, "H", 1),
    (80, 3, 184, 80, False, "H", 1),
    (80, 3, 184, 80, False, "H", 1),
    (80, 3, 480, 112, True, "H", 1),
    (112, 3, 672, 112, True, "H", 1),
    (112, 5, 672, 160, True, "H", 2),
    (160, 5, 960, 160, True, "H", 1),
    (160, 5, 960, 160, True, "H", 1),
)
SMALL: tuple[Row, ...] = (
    (16, 3, 16, 16, True, "R", 2),
    (16, 3, 72, 24, False, "R", 2),
    (24, 3, 88, 24, False, "R", 1),
    (24, 5, 96, 40, True, "H", 2),
    (40, 5, 240, 40, True, "H", 1),
    (40, 5, 240, 40, True, "H", 1),
    (40, 5, 120, 48, True, "H", 1),
    (48, 5, 144, 48, True, "H", 1),
    (48, 5, 288, 96, True, "H", 2),
    (96, 5, 576, 96, True, "H", 1),
    (96, 5, 576, 96, True, "H", 1),
)
ACTIVATIONS: dict[str, type[nn.Module]] = {"R": nn.ReLU, "H": nn.Hardswish}


def make8(value: float) -> int:
    """The multiple of 8 nearest to ``value``, but not below nine tenths of it."""
    rounded = max(8, 8 * int((value + 4) // 8))
    return rounded if rounded >= 0.9 * value else rounded + 8


def convolution(inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, activation: str = "") -> nn.Sequential:
    """Convolution without bias, BN (eps 1e-3, momentum 0.01), and an activation if one is named."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=(kernel - 1) // 2, groups=groups, bias=False)
    parts: list[nn.Module] = [conv, nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)]
    return nn.Sequential(*parts, *([ACTIVATIONS[activation]()] if activation else []))


class SqueezeExcitation(nn.Module):
    """Each channel is multiplied by a weight in 0..1 that the mean of all channels decides."""

    def __init__(self, width: int) -> None:
        super().__init__()
        squeezed = make8(width // 4)
        self.fc1 = nn.Conv2d(width, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.fc2(F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1))))
        return x * F.hardsigmoid(weight)


class InvertedResidual(nn.Module):
    """Expand 1x1 (unless there is nothing to expand), depthwise, squeeze-excitation, project 1x1; plus the input where shapes agree."""

    def __init__(self, inputs: int, kernel: int, expanded: int, outputs: int, squeeze: bool, activation: str, stride: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        if expanded != inputs:
            parts.append(convolution(inputs, expanded, 1, activation=activation))
        parts.append(convolution(expanded, expanded, kernel, stride=stride, groups=expanded, activation=activation))
        if squeeze:
            parts.append(SqueezeExcitation(expanded))
        parts.append(convolution(expanded, outputs, 1))
        self.block = nn.Sequential(*parts)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x) + x if self.residual else self.block(x)


class MobileNetV3(nn.Module):
    """Images (B, 3, H, W) -> logits (B, n_classes), or the pooled feature (B, V) with ``n_classes=0``."""

    def __init__(self, rows: Sequence[Row], hidden: int, n_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        last = rows[-1][3]
        self.width = 6 * last
        self.features = nn.Sequential(
            convolution(3, rows[0][0], 3, stride=2, activation="H"),
            *(InvertedResidual(*row) for row in rows),
            convolution(last, self.width, 1, activation="H"),
        )
        self.classifier: nn.Module = nn.Identity()
        if n_classes:
            layers = (nn.Linear(self.width, hidden), nn.Hardswish(), nn.Dropout(dropout), nn.Linear(hidden, n_classes))
            self.classifier = nn.Sequential(*layers)
        self._init()

    def _init(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

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
    return MobileNetV3(LARGE, 1280, n_classes)


def mobilenet_v3_small(n_classes: int = 1000) -> MobileNetV3:
    """MobileNetV3-small: 2.5 M parameters, 0.06 GMAC at 224x224, V = 576."""
    return MobileNetV3(SMALL, 1024, n_classes)
