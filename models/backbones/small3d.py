"""small3d: small2d's first stages on every second frame, then factorised 3-D blocks: 16x112x112 clips to 128 numbers (about 1 GMAC).

The blocks are R(2+1)D's (Tran et al., CVPR 2018) at a narrow width; the frame-wise stages (``conv1``, ``layer1``, ``layer2``) have
small2d's names and weights and stay frozen, so that only movement has to be learned. The network takes raw 0..255 clips as the
published motion features do and normalises them itself. Trained by ``stages.extract.pretraining``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.small2d import Residual
from models.weights import IMAGENET_MEAN, PAPER_STD

#: every how-manieth frame is looked at
STRIDE = 2


class Factorised(nn.Module):
    """Spatial 1x3x3, BN, ReLU, temporal 3x1x1, BN, plus shortcut, ReLU; ``stride`` is that of time."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv_s = nn.Conv3d(inputs, outputs, (1, 3, 3), padding=(0, 1, 1), bias=False)
        self.bn_s = nn.BatchNorm3d(outputs)
        self.conv_t = nn.Conv3d(outputs, outputs, (3, 1, 1), stride=(stride, 1, 1), padding=(1, 0, 0), bias=False)
        self.bn_t = nn.BatchNorm3d(outputs)
        self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride=(stride, 1, 1), bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        x = F.relu(self.bn_s(self.conv_s(x)))
        return F.relu(self.bn_t(self.conv_t(x)) + shortcut)


class FrameWise(nn.Module, ABC):
    """Clips (B, 3, T, H, W) with values 0..255 -> feature (B, V), by way of maps of every second frame alone.

    A network brings ``forward_features``, ``pool`` and the stages that see single frames: those of an appearance network, which have its
    names and weights and stay frozen. ``std``: of the channels, as that network divides by it.
    """

    #: the frame-wise stages
    trunk = ("conv1", "bn1", "layer1", "layer2")
    conv1: nn.Module
    bn1: nn.Module
    layer1: nn.Module
    layer2: nn.Module

    def __init__(self, std: tuple[float, float, float]) -> None:
        super().__init__()
        self.register_buffer("mean", 255 * torch.tensor(IMAGENET_MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).reshape(3, 1, 1), persistent=False)

    def frames(self, x: Tensor) -> Tensor:
        """Maps of every second frame: (B, C, T/2, H/8, W/8)."""
        x = x[:, :, ::STRIDE].transpose(1, 2)
        batch = x.shape[:2]
        x = (x.flatten(0, 1) - self.mean) / self.std
        x = self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x)))))
        return x.unflatten(0, batch).transpose(1, 2)

    @abstractmethod
    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, V, T/4, H/8, W/8)."""

    @abstractmethod
    def pool(self, x: Tensor) -> Tensor:
        """The last map over places and time: (B, V)."""

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, V), non-negative."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature(x)

    def train(self, mode: bool = True) -> Self:
        """Training mode for the 3-D blocks alone: the frame-wise stages keep their statistics."""
        super().train(mode)
        for name in self.trunk:
            getattr(self, name).eval()
        return self


class Small3D(FrameWise):
    """Clips (B, 3, 16, 112, 112) with values 0..255 -> feature (B, 128). Its frame-wise stages are small2d's."""

    width = 128

    def __init__(self) -> None:
        super().__init__(PAPER_STD)
        self.conv1 = nn.Conv2d(3, 24, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(24)
        self.layer1 = nn.Sequential(Residual(24, 40, 2), Residual(40, 40, 1))
        self.layer2 = nn.Sequential(Residual(40, 72, 2), Residual(72, 72, 1))
        self.layer3 = Factorised(72, 96, 1)
        self.layer4 = Factorised(96, self.width, 2)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, 128, T/4, H/8, W/8)."""
        return self.layer4(self.layer3(self.frames(x)))

    def pool(self, x: Tensor) -> Tensor:
        """Global average pooling of the last map: (B, 128)."""
        return x.mean((2, 3, 4))


def small3d() -> Small3D:
    """The motion network of the embedded world."""
    return Small3D()
