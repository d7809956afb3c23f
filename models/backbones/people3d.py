"""people3d: people2d's first stages on every second frame, then factorised 3-D blocks: 16x112x112 clips to 256 numbers (about 1.1 GMAC).

As small3d, whose blocks these are, wider, and with the generalised mean of people2d over places and time. The frame-wise stages have
people2d's names and weights and stay frozen. The network takes raw 0..255 clips and normalises them itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.people2d import People2D, generalised_mean
from models.backbones.small2d import Residual
from models.backbones.small3d import STRIDE, Factorised
from models.weights import IMAGENET_MEAN, IMAGENET_STD


class People3D(nn.Module):
    """Clips (B, 3, 16, 112, 112) with values 0..255 -> feature (B, 256)."""

    width = 256
    trunk = People2D.trunk

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(IMAGENET_STD).reshape(3, 1, 1), persistent=False)
        self.conv1 = nn.Conv2d(3, 32, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.layer1 = Residual(32, 32, 2)
        self.layer2 = nn.Sequential(Residual(32, 64, 2), Residual(64, 64, 1))
        self.layer3 = Factorised(64, 128, 1)
        self.layer4 = Factorised(128, 128, 2)
        self.last = nn.Conv3d(128, self.width, 1, bias=False)
        self.bn_last = nn.BatchNorm3d(self.width)

    def frames(self, x: Tensor) -> Tensor:
        """Maps of every second frame: (B, 64, T/2, H/8, W/8)."""
        x = x[:, :, ::STRIDE].transpose(1, 2)
        batch = x.shape[:2]
        x = (x.flatten(0, 1) - self.mean) / self.std
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return x.unflatten(0, batch).transpose(1, 2)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, 256, T/4, H/8, W/8), non-negative."""
        return F.relu(self.bn_last(self.last(self.layer4(self.layer3(self.frames(x))))))

    def pool(self, x: Tensor) -> Tensor:
        """Generalised mean of the last map: (B, 256)."""
        return generalised_mean(x, (2, 3, 4))

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, 256), positive."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature(x)

    def train(self, mode: bool = True) -> People3D:
        """Training mode for the 3-D blocks alone: the frame-wise stages keep their statistics."""
        super().train(mode)
        for name in self.trunk:
            getattr(self, name).eval()
        return self


def people3d() -> People3D:
    """The motion network of the embedded world's questions."""
    return People3D()
