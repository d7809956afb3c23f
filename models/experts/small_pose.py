"""small-pose: people of small drawn pictures and their 17 joints in one look (0.9 M parameters, 190 MMAC at 160x128).

In the manner of "Objects as Points" (Zhou et al., 2019), narrow: a map says where the middle of a person is, and from there where each
of the joints lies, roughly; a map for each joint says exactly where joints of its kind are seen. :mod:`models.experts.small_pose_people`
puts the two together. Trained by ``stages.derive.pretraining``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.small2d import Residual

JOINTS = 17
#: picture pixels of a cell of the output
STRIDE = 4
#: height and width of a picture must be multiples of this
MULTIPLE = 16
#: maps: the joints, the middle of a person, and x, y to each joint in cells
CHANNELS = JOINTS + 1 + 2 * JOINTS


class SmallPose(nn.Module):
    """Pictures (B, 3, H, W), sides multiples of 16 -> (B, 52, H/4, W/4): 17 joints, 1 middle (both as logits), 34 offsets."""

    def __init__(self, widths: tuple[int, int, int, int] = (32, 32, 64, 128)) -> None:
        super().__init__()
        stem, fine, middle, coarse = widths
        self.conv1 = nn.Conv2d(3, stem, 5, stride=2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.layer1 = Residual(stem, fine, 2)
        self.layer2 = nn.Sequential(Residual(fine, middle, 2), Residual(middle, middle, 1))
        self.layer3 = nn.Sequential(Residual(middle, coarse, 2), Residual(coarse, coarse, 1))
        self.up2 = Up(coarse, middle)
        self.up1 = Up(middle, fine)
        self.last = Residual(fine, fine, 1)
        self.head = nn.Conv2d(fine, CHANNELS, 1)
        with torch.no_grad():
            self.head.bias[: JOINTS + 1] = -4.0  # most places are none

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        fine = self.layer1(x)
        middle = self.layer2(fine)
        x = self.up2(self.layer3(middle), middle)
        return self.head(self.last(self.up1(x, fine)))  # type: ignore[no-any-return]


class Up(nn.Module):
    """A coarse map, twice as fine, added to a fine one: conv1x1, nearest x2, sum, conv3x3, BN, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(inputs, outputs, 1)
        self.conv = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        x = fine + F.interpolate(self.narrow(coarse), scale_factor=2.0, mode="nearest")
        return F.relu(self.bn(self.conv(x)))
