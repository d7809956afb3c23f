"""small-depth: depth of small drawn frames, an encoder with skips (U-Net, Ronneberger et al., MICCAI 2015) of 0.92 M parameters.

Depths lie between 1 and 60 m, and what matters is their ratio, so the network predicts the logarithm. Two maps of the place of each
pixel come with the colours: on a ground plane depth is a function of the row. Trained by ``stages.derive.pretraining``.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.small2d import Residual

#: metres whose logarithm the network takes for zero, and the range of what it says
MIDDLE, NEAREST, FARTHEST = 8.0, 0.5, 100.0
WIDTHS = (24, 40, 80, 112)
#: working size: the short side in pixels, and what both sides are multiples of
SHORT, MULTIPLE = 120, 8


class Merge(nn.Module):
    """A coarse map made as large as a fine one, joined to it, conv3x3, BN, ReLU."""

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(coarse + fine, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        larger = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear", align_corners=False)
        return F.relu(self.bn(self.conv(torch.cat([larger, fine], 1))))


class SmallDepth(nn.Module):
    """Frames (B, 3, height, width), of one size, RGB in -1..1 -> depth (B, height, width) in metres."""

    place: Tensor

    def __init__(self, height: int = SHORT, width: int = 160) -> None:
        super().__init__()
        stem, one, two, three = WIDTHS
        self.conv1 = nn.Conv2d(5, stem, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.layer1 = nn.Sequential(Residual(stem, one, 2), Residual(one, one, 1))
        self.layer2 = nn.Sequential(Residual(one, two, 2), Residual(two, two, 1))
        self.layer3 = nn.Sequential(Residual(two, three, 2), Residual(three, three, 1))
        self.scene = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(three, three, 1), nn.ReLU(), nn.Conv2d(three, three, 1))
        self.merge2 = Merge(three, two, two)
        self.merge1 = Merge(two, one, one)
        self.merge0 = Merge(one, stem, 32)
        self.head = nn.Conv2d(32, 4, 3, padding=1)
        y = torch.linspace(-1, 1, height).reshape(-1, 1).expand(height, width)
        x = torch.linspace(-1, 1, width).expand(height, width)
        self.register_buffer("place", torch.stack([x, y])[None], persistent=False)

    def forward_features(self, x: Tensor) -> Tensor:
        """log(depth / 8 m) (B, 1, height, width)."""
        x = torch.cat([x, self.place.to(x.dtype).expand(x.size(0), -1, -1, -1)], 1)
        fine = F.relu(self.bn1(self.conv1(x)))
        one = self.layer1(fine)
        two = self.layer2(one)
        three = self.layer3(two)
        three = three + self.scene(three)
        merged = self.merge0(self.merge1(self.merge2(three, two), one), fine)
        return F.pixel_shuffle(self.head(merged), 2)

    def pool(self, x: Tensor) -> Tensor:
        """Metres (B, height, width)."""
        return x[:, 0].clamp(math.log(NEAREST / MIDDLE), math.log(FARTHEST / MIDDLE)).exp() * MIDDLE

    def feature(self, x: Tensor) -> Tensor:
        """Depth (B, height, width) in metres."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature(x)
