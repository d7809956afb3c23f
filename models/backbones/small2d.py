"""small2d: a residual network for small drawn videos, 112x112 images to a feature of 128 numbers (127 MMAC).

Of the ResNet family (He et al., CVPR 2016), narrow, with the resolution kept at a 14x14 map so that people and the things in
their hands stay apart. Trained by ``stages.extract.pretraining``, whose heads are not part of the network.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Residual(nn.Module):
    """conv3x3, BN, ReLU, conv3x3, BN, plus shortcut, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


class Small2D(nn.Module):
    """Images (B, 3, 112, 112) -> feature (B, 128)."""

    width = 128

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 24, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.layer1 = nn.Sequential(Residual(24, 40, 2), Residual(40, 40, 1))
        self.layer2 = nn.Sequential(Residual(40, 72, 2), Residual(72, 72, 1))
        self.layer3 = Residual(72, self.width, 1)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, 128, H/8, W/8)."""
        x = F.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x)))

    def pool(self, x: Tensor) -> Tensor:
        """Global average pooling of the last map: (B, 128)."""
        return x.mean((2, 3))

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, 128), non-negative."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature(x)


def small2d() -> Small2D:
    """The appearance network of the embedded world."""
    return Small2D()
