"""people3d: people2d's first stages on every second frame, then factorised 3-D blocks: 16x112x112 clips to 256 numbers (about 1.1 GMAC).

As small3d, whose blocks and taps these are, wider, and with the generalised mean of people2d over places and time. The frame-wise stages
have people2d's names and weights.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.people2d import generalised_mean
from models.backbones.small2d import Residual
from models.backbones.small3d import Factorised, FrameWise
from models.weights import IMAGENET_STD


class People3D(FrameWise):
    """Clips (B, 3, 16, 112, 112) with values 0..255 -> feature (B, 256), positive."""

    width = 256

    def __init__(self) -> None:
        super().__init__(IMAGENET_STD)
        self.conv1 = nn.Conv2d(3, 32, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.layer1 = Residual(32, 32, 2)
        self.layer2 = nn.Sequential(Residual(32, 64, 2), Residual(64, 64, 1))
        self.layer3 = Factorised(64, 128, 1)
        self.layer4 = Factorised(128, 128, 2)
        self.last = nn.Conv3d(128, self.width, 1, bias=False)
        self.bn_last = nn.BatchNorm3d(self.width)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, 256, T/4, H/8, W/8), non-negative."""
        return F.relu(self.bn_last(self.last(self.layer4(self.layer3(self.frames(x))))))

    def pool(self, x: Tensor) -> Tensor:
        """Generalised mean of the last map: (B, 256)."""
        return generalised_mean(x, (2, 3, 4))


def people3d() -> People3D:
    """The motion network of the embedded world's questions."""
    return People3D()
