"""2-D ResNet (He et al., CVPR 2016) as torchvision has it: the stride of a bottleneck is on its 3x3 convolution.

The appearance network of VideoQA is ResNet-101 up to and including the global average pooling. State-dict names are torchvision's
(``conv1``, ``bn1``, ``layer{1..4}.{i}.conv{k}``, ``.bn{k}``, ``.downsample.{0,1}``, ``fc``), so its weight files load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

STAGES = ("layer1", "layer2", "layer3", "layer4")


class Basic(nn.Module):
    """Two 3x3 convolutions; expansion 1."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1 to ``planes * 4``."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, planes * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + shortcut)


class ResNet2D(nn.Module):
    """Images (B, 3, H, W) -> logits (B, n_classes), or the pooled feature (B, V) with ``n_classes=0``."""

    def __init__(self, block: type[Basic | Bottleneck], layers: Sequence[int], n_classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        inputs = 64
        for name, blocks, planes, stride in zip(STAGES, layers, (64, 128, 256, 512), (1, 2, 2, 2)):
            self.add_module(name, _stage(block, inputs, planes, blocks, stride))
            inputs = planes * block.expansion
        self.width = inputs
        self.fc = nn.Linear(inputs, n_classes) if n_classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stages(self, x: Tensor) -> dict[str, Tensor]:
        """The map after the stem and each stage, by name, in order."""
        maps = {"maxpool": self.maxpool(F.relu(self.bn1(self.conv1(x))))}
        x = maps["maxpool"]
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


def _stage(block: type[Basic | Bottleneck], inputs: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    outputs = planes * block.expansion
    downsample: nn.Module | None = None
    if stride != 1 or inputs != outputs:
        downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))
    first = block(inputs, planes, stride, downsample)
    return nn.Sequential(first, *(block(outputs, planes, 1, None) for _ in range(1, blocks)))


#: depth -> block, blocks per stage
DEPTHS: dict[int, tuple[type[Basic | Bottleneck], tuple[int, int, int, int]]] = {
    18: (Basic, (2, 2, 2, 2)),
    34: (Basic, (3, 4, 6, 3)),
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
