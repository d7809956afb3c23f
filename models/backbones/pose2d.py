"""pose2d: what small-pose sees of a small drawn picture before it says where joints are, 112x112 images to a feature of 128 numbers.

The encoder of :mod:`models.experts.small_pose`, with its weights: half the arithmetic of small2d, and trained on joints alone, so no
action is known to it by name.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.small2d import Residual


class Pose2D(nn.Module):
    """Images (B, 3, 112, 112) -> feature (B, 128)."""

    width = 128

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.layer1 = Residual(32, 32, 2)
        self.layer2 = nn.Sequential(Residual(32, 64, 2), Residual(64, 64, 1))
        self.layer3 = nn.Sequential(Residual(64, self.width, 2), Residual(self.width, self.width, 1))

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, 128, H/16, W/16)."""
        x = F.relu(self.bn1(self.conv1(x)))
        return self.layer3(self.layer2(self.layer1(x)))  # type: ignore[no-any-return]

    def pool(self, x: Tensor) -> Tensor:
        """Global average pooling of the last map: (B, 128)."""
        return x.mean((2, 3))

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, 128), non-negative."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature(x)


def pose2d() -> Pose2D:
    """The network of drawn people whose actions have no names."""
    return Pose2D()
