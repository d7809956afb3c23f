"""small3d: a factorised 3-D residual network, clips of 16x80x80 to a feature of 128 numbers (242 MMAC).

R(2+1)D blocks (Tran et al., CVPR 2018) at a narrow width. The input is normalised by a batch norm of its own, so the
network takes raw 0..255 clips as the published motion features do. Trained by ``stages.extract.pretraining``.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Factorised(nn.Module):
    """Spatial 1x3x3, BN, ReLU, temporal 3x1x1, BN, plus shortcut, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: tuple[int, int]) -> None:
        super().__init__()
        t, s = stride
        self.conv_s = nn.Conv3d(inputs, outputs, (1, 3, 3), stride=(1, s, s), padding=(0, 1, 1), bias=False)
        self.bn_s = nn.BatchNorm3d(outputs)
        self.conv_t = nn.Conv3d(outputs, outputs, (3, 1, 1), stride=(t, 1, 1), padding=(1, 0, 0), bias=False)
        self.bn_t = nn.BatchNorm3d(outputs)
        self.downsample: nn.Module | None = None
        if stride != (1, 1) or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride=(t, s, s), bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn_s(self.conv_s(x)))
        return F.relu(self.bn_t(self.conv_t(x)) + shortcut)


class Small3D(nn.Module):
    """Clips (B, 3, 16, 80, 80) with values 0..255 -> feature (B, 128)."""

    width = 128

    def __init__(self) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm3d(3)
        self.conv1_s = nn.Conv3d(3, 16, (1, 5, 5), stride=(1, 2, 2), padding=(0, 2, 2), bias=False)
        self.bn1_s = nn.BatchNorm3d(16)
        self.conv1_t = nn.Conv3d(16, 24, (5, 1, 1), stride=(2, 1, 1), padding=(2, 0, 0), bias=False)
        self.bn1_t = nn.BatchNorm3d(24)
        self.layer1 = Factorised(24, 48, (1, 2))
        self.layer2 = nn.Sequential(Factorised(48, 80, (2, 2)), Factorised(80, 80, (1, 1)))
        self.layer3 = Factorised(80, self.width, (1, 1))

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, 128, T/4, H/8, W/8)."""
        x = F.relu(self.bn1_s(self.conv1_s(self.bn0(x))))
        x = F.relu(self.bn1_t(self.conv1_t(x)))
        return self.layer3(self.layer2(self.layer1(x)))

    def pool(self, x: Tensor) -> Tensor:
        """Global average pooling of the last map: (B, 128)."""
        return x.mean((2, 3, 4))

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, 128), non-negative."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature(x)


def small3d() -> Small3D:
    """The motion network of the embedded world."""
    return Small3D()
