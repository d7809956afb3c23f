"""2-D ResNet (He et al., CVPR 2016): torchvision's, with the taps of the registry. The stride of a bottleneck is on its 3x3 convolution.

The appearance network of VideoQA is ResNet-101 up to and including the global average pooling. State-dict names are torchvision's
(``conv1``, ``bn1``, ``layer{1..4}.{i}.conv{k}``, ``.bn{k}``, ``.downsample.{0,1}``, ``fc``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

STAGES = ("layer1", "layer2", "layer3", "layer4")


class ResNet2D(ResNet):
    """Images (B, 3, H, W) -> logits (B, n_classes), or the pooled feature (B, V) with ``n_classes=0``."""

    def __init__(self, block: type[BasicBlock | Bottleneck], layers: Sequence[int], n_classes: int = 1000) -> None:
        super().__init__(block, list(layers), num_classes=n_classes or 1)
        self.width = 512 * block.expansion
        if not n_classes:
            self.fc = nn.Identity()

    def stages(self, x: Tensor) -> dict[str, Tensor]:
        """The map after the stem and each stage, by name, in order."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = {"maxpool": x}
        for name in STAGES:
            x = maps[name] = self.get_submodule(name)(x)
        return maps

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, V, H/32, W/32)."""
        return self.stages(x)["layer4"]

    def pool(self, x: Tensor) -> Tensor:
        """Global average pooling of the last map: (B, V)."""
        return F.adaptive_avg_pool2d(x, 1).flatten(1)

    def forward_head(self, x: Tensor) -> Tensor:
        """Logits (B, n_classes) of the last map."""
        return self.fc(self.pool(x))

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, V), non-negative."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))


#: depth -> block, blocks per stage
DEPTHS: dict[int, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Classes (0: no classifier), read off a state dict."""
    return {"n_classes": state["fc.weight"].shape[0] if "fc.weight" in state else 0}


def resnet18(n_classes: int = 1000) -> ResNet2D:
    """ResNet-18: 11.7 M parameters, 1.8 GMAC at 224x224, V = 512."""
    return ResNet2D(*DEPTHS[18], n_classes)


def resnet34(n_classes: int = 1000) -> ResNet2D:
    """ResNet-34: 21.8 M parameters, 3.7 GMAC at 224x224, V = 512."""
    return ResNet2D(*DEPTHS[34], n_classes)


def resnet50(n_classes: int = 1000) -> ResNet2D:
    """ResNet-50: 25.6 M parameters, 4.1 GMAC at 224x224, V = 2048."""
    return ResNet2D(*DEPTHS[50], n_classes)


def resnet101(n_classes: int = 1000) -> ResNet2D:
    """ResNet-101, the appearance network of VideoQA: 44.5 M parameters, 7.8 GMAC at 224x224, V = 2048."""
    return ResNet2D(*DEPTHS[101], n_classes)
