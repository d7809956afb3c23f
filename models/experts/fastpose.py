"""FastPose: joints of one person in a crop, as heat maps. AlphaPose (Fang et al., TPAMI 2022; RMPE, ICCV 2017).

A ResNet-50 whose first block of each layer has a squeeze-and-excitation (Hu et al., CVPR 2018), then three times twice as fine by
pixel shuffle ("DUC", Wang et al., WACV 2018). State-dict names are the published ones (``preact.*``, ``duc1.*``, ``duc2.*``,
``conv_out.*``): 348 entries, 40,577,745 parameters with 17 joints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

LAYERS = (3, 4, 6, 3)
#: height and width of the crop, and of its heat maps
CROP, MAP = (256, 192), (64, 48)


class SqueezeExcitation(nn.Module):
    """Every channel times a factor that all of them together decide; as many hidden units as channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class Bottleneck(nn.Module):
    """conv1x1, conv3x3 with the stride, conv1x1, each with BN; the first of a layer has squeeze-and-excitation and its own shortcut."""

    def __init__(self, inputs: int, planes: int, stride: int, first: bool) -> None:
        super().__init__()
        outputs = 4 * planes
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.se = self.downsample = None
        if first:
            self.se = SqueezeExcitation(outputs)
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        if self.se is None or self.downsample is None:
            return F.relu(y + x)
        return F.relu(self.se(y) + self.downsample(x))


class SEResNet(nn.Module):
    """Crops (B, 3, H, W) -> (B, 2048, H/32, W/32)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, (blocks, planes) in enumerate(zip(LAYERS, (64, 128, 256, 512)), 1):
            stride = 1 if number == 1 else 2
            layer = [Bottleneck(inputs if n == 0 else 4 * planes, planes, stride if n == 0 else 1, n == 0) for n in range(blocks)]
            setattr(self, f"layer{number}", nn.Sequential(*layer))
            inputs = 4 * planes

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return x


class DUC(nn.Module):
    """conv3x3, BN, ReLU, pixel shuffle: (B, inputs, H, W) -> (B, planes / 4, 2H, 2W)."""

    def __init__(self, inputs: int, planes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, planes, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(planes)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(F.relu(self.bn(self.conv(x))), 2)


class FastPose(nn.Module):
    """Crops (B, 3, 256, 192) -> heat maps (B, joints, 64, 48), no activation. ``width``: channels before the last convolution."""

    def __init__(self, joints: int = 17, width: int = 128) -> None:
        super().__init__()
        self.joints = joints
        self.preact = SEResNet()
        self.duc1 = DUC(512, 1024)
        self.duc2 = DUC(256, 4 * width)
        self.conv_out = nn.Conv2d(width, joints, 3, padding=1)

    def forward_features(self, x: Tensor) -> Tensor:
        """The heat maps."""
        return self.conv_out(self.duc2(self.duc1(F.pixel_shuffle(self.preact(x), 2))))  # type: ignore[no-any-return]

    def pool(self, x: Tensor) -> Tensor:
        """The maps of COCO's 17 joints, which come first in all sets of joints."""
        return x[:, :17]

    def feature(self, x: Tensor) -> Tensor:
        """The heat maps of COCO's 17 joints."""
        return self.pool(self.forward_features(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x)


def options_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Joints and width, read off a state dict."""
    joints, width = state["conv_out.weight"].shape[:2] if "conv_out.weight" in state else (17, 128)
    return {"joints": joints, "width": width}
