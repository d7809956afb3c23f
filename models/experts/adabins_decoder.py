"""The decoder of AdaBins (Bhat et al., CVPR 2021): from the five maps of the encoder to one at half the picture's size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.experts.efficientnet_b5 import HEAD, SKIP_CHANNELS

#: slope of LeakyReLU for negative numbers
SLOPE = 0.01


class UpSample(nn.Module):
    """A coarse map resized to a skip's size and joined to it; twice conv3x3, BN, LeakyReLU."""

    def __init__(self, coarse: int, skip: int, outputs: int) -> None:
        super().__init__()
        self._net = nn.Sequential(
            nn.Conv2d(coarse + skip, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.LeakyReLU(SLOPE),
        )

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        larger = F.interpolate(coarse, size=skip.shape[2:], mode="bilinear", align_corners=True)
        return self._net(torch.cat([larger, skip], 1))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """Maps as :class:`models.experts.efficientnet_b5.EfficientNetB5` gives them -> (B, outputs, ceil(H/2), ceil(W/2)).

    ``conv2`` is 1x1 with padding 1: its map has a frame that holds nothing but the bias, and the published weights count on it.
    """

    def __init__(self, features: int = HEAD, outputs: int = 128, bottleneck: int = HEAD) -> None:
        super().__init__()
        fine, second, third, fourth = SKIP_CHANNELS
        self.conv2 = nn.Conv2d(bottleneck, features, 1, padding=1)
        self.up1 = UpSample(features, fourth, features // 2)
        self.up2 = UpSample(features // 2, third, features // 4)
        self.up3 = UpSample(features // 4, second, features // 8)
        self.up4 = UpSample(features // 8, fine, features // 16)
        self.conv3 = nn.Conv2d(features // 16, outputs, 3, padding=1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        fine, second, third, fourth, last = maps
        x = self.up1(self.conv2(last), fourth)
        x = self.up2(x, third)
        x = self.up3(x, second)
        x = self.up4(x, fine)
        return self.conv3(x)  # type: ignore[no-any-return]
