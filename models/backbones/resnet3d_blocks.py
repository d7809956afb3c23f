"""The blocks of the 3-D ResNet family (:mod:`models.backbones.resnet3d`): plain, wide, grouped (ResNeXt) and factorised (R(2+1)D).

A block takes ``inputs`` channels to ``planes * expansion``, halves all three axes with ``stride`` 2, and adds its input, or what
``downsample`` makes of it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def conv3x3x3(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Conv3d:
    """3x3x3 convolution with padding, without bias."""
    return nn.Conv3d(inputs, outputs, 3, stride=stride, padding=1, groups=groups, bias=False)


def conv1x1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    """1x1x1 convolution without bias."""
    return nn.Conv3d(inputs, outputs, 1, stride=stride, bias=False)


def conv1x3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    """The spatial half of a factorised 3x3x3 convolution."""
    return nn.Conv3d(inputs, outputs, (1, 3, 3), stride=(1, stride, stride), padding=(0, 1, 1), bias=False)


def conv3x1x1(inputs: int, outputs: int, stride: int = 1) -> nn.Conv3d:
    """The temporal half of a factorised 3x3x3 convolution."""
    return nn.Conv3d(inputs, outputs, (3, 1, 1), stride=(stride, 1, 1), padding=(1, 0, 0), bias=False)


def factorised_width(inputs: int, outputs: int, k_t: int = 3, k_s: int = 3) -> int:
    """Channels between the two halves of R(2+1)D, so that they have about the parameters of the 3-D convolution."""
    return (inputs * outputs * k_t * k_s * k_s) // (inputs * k_s * k_s + k_t * outputs)


class ShortcutA(nn.Module):
    """Parameter-free shortcut: every ``stride``-th position of each axis, zeros for the missing channels."""

    def __init__(self, outputs: int, stride: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        x = x[:, :, :: self.stride, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, 0, 0, self.outputs - x.shape[1]))


class Basic(nn.Module):
    """Two 3x3x3 convolutions; expansion 1."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3x3(inputs, planes, stride), nn.BatchNorm3d(planes)
        self.conv2, self.bn2 = conv3x3x3(planes, planes), nn.BatchNorm3d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(x)) + shortcut)


class Bottleneck(nn.Module):
    """1x1x1 to ``mid``, 3x3x3, 1x1x1 to ``planes * expansion``; expansion 4."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, downsample: nn.Module | None, mid: int = 0, groups: int = 1) -> None:
        super().__init__()
        mid, outputs = mid or planes, planes * self.expansion
        self.conv1, self.bn1 = conv1x1x1(inputs, mid), nn.BatchNorm3d(mid)
        self.conv2, self.bn2 = conv3x3x3(mid, mid, stride, groups), nn.BatchNorm3d(mid)
        self.conv3, self.bn3 = conv1x1x1(mid, outputs), nn.BatchNorm3d(outputs)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2(self.conv2(x)))
        return F.relu(self.bn3(self.conv3(x)) + shortcut)


class WideBottleneck(Bottleneck):
    """Bottleneck with expansion 2 (wide ResNet)."""

    expansion = 2


class ResNeXtBottleneck(Bottleneck):
    """Bottleneck with grouped 3x3x3 convolution and expansion 2: mid = cardinality * planes // 32."""

    expansion = 2

    def __init__(self, inputs: int, planes: int, stride: int, downsample: nn.Module | None, cardinality: int = 32) -> None:
        super().__init__(inputs, planes, stride, downsample, mid=cardinality * planes // 32, groups=cardinality)


class FactorisedBasic(nn.Module):
    """R(2+1)D basic block: each 3x3x3 convolution is a spatial one, BN, ReLU, a temporal one, BN; expansion 1."""

    expansion = 1

    def __init__(self, inputs: int, planes: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        mid = factorised_width(inputs, planes)
        self.conv1_s, self.bn1_s = conv1x3x3(inputs, mid, stride), nn.BatchNorm3d(mid)
        self.conv1_t, self.bn1_t = conv3x1x1(mid, planes, stride), nn.BatchNorm3d(planes)
        mid = factorised_width(planes, planes)
        self.conv2_s, self.bn2_s = conv1x3x3(planes, mid), nn.BatchNorm3d(mid)
        self.conv2_t, self.bn2_t = conv3x1x1(mid, planes), nn.BatchNorm3d(planes)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1_s(self.conv1_s(x)))
        x = F.relu(self.bn1_t(self.conv1_t(x)))
        x = F.relu(self.bn2_s(self.conv2_s(x)))
        return F.relu(self.bn2_t(self.conv2_t(x)) + shortcut)


class FactorisedBottleneck(nn.Module):
    """R(2+1)D bottleneck: the 3x3x3 convolution factorised; expansion 4."""

    expansion = 4

    def __init__(self, inputs: int, planes: int, stride: int, downsample: nn.Module | None) -> None:
        super().__init__()
        mid, outputs = factorised_width(planes, planes), planes * self.expansion
        self.conv1, self.bn1 = conv1x1x1(inputs, planes), nn.BatchNorm3d(planes)
        self.conv2_s, self.bn2_s = conv1x3x3(planes, mid, stride), nn.BatchNorm3d(mid)
        self.conv2_t, self.bn2_t = conv3x1x1(mid, planes, stride), nn.BatchNorm3d(planes)
        self.conv3, self.bn3 = conv1x1x1(planes, outputs), nn.BatchNorm3d(outputs)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.relu(self.bn2_s(self.conv2_s(x)))
        x = F.relu(self.bn2_t(self.conv2_t(x)))
        return F.relu(self.bn3(self.conv3(x)) + shortcut)
