"""people2d: who is in a small drawn picture and what they do, 112x112 images to a feature of 256 numbers (about 150 MMAC).

The stages of pose2d (the encoder of :mod:`models.experts.small_pose`, from whose weights it starts), with the resolution kept at a 14x14
map, so that people stay apart. Its feature is a generalised mean over places (GeM, Radenovic et al., PAMI 2019): near the maximum, so that
what one person shows is not thinned by the ground around. Trained by ``stages.extract.pretraining``.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.small2d import Residual

#: the exponent of the mean, and what is added to its values so that roots have a slope at 0
POWER, FLOOR = 4.0, 1e-3


class People2D(nn.Module):
    """Images (B, 3, 112, 112) -> feature (B, 256)."""

    width = 256

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.layer1 = Residual(32, 32, 2)
        self.layer2 = nn.Sequential(Residual(32, 64, 2), Residual(64, 64, 1))
        self.layer3 = nn.Sequential(Residual(64, 128, 1), Residual(128, 128, 1))
        self.last = nn.Conv2d(128, self.width, 1, bias=False)
        self.bn_last = nn.BatchNorm2d(self.width)

    def forward_features(self, x: Tensor) -> Tensor:
        """The last map (B, 256, H/8, W/8), non-negative."""
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn_last(self.last(self.layer3(self.layer2(self.layer1(x))))))

    def pool(self, x: Tensor) -> Tensor:
        """Generalised mean of the last map: (B, 256)."""
        return generalised_mean(x, (2, 3))

    def feature(self, x: Tensor) -> Tensor:
        """The pooled feature (B, 256), positive."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.feature(x)


def generalised_mean(x: Tensor, over: tuple[int, ...]) -> Tensor:
    """The root of the mean power of non-negative ``x`` over the axes ``over``."""
    return (x + FLOOR).pow(POWER).mean(over).pow(1 / POWER)


def people2d() -> People2D:
    """The appearance network of the embedded world's questions."""
    return People2D()
