"""YOLOv3 with spatial pyramid pooling: finds things in square pictures, at three sizes. Redmon and Farhadi, "YOLOv3", 2018.

62,998,749 parameters, 80 classes of COCO, of which the first is "person". Modules stand in the order of Darknet's configuration, so that
its weight file, which has no names, can be read (:mod:`models.experts.darknet`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 80
#: of the three outputs, the coarsest first: pixels of a cell, and the sizes (width, height) of its boxes
STRIDES = (32, 16, 8)
ANCHORS = (((116, 90), (156, 198), (373, 326)), ((30, 61), (62, 45), (59, 119)), ((10, 13), (16, 30), (33, 23)))
#: blocks of each stage of Darknet-53, and its width
STAGES = ((1, 64), (2, 128), (8, 256), (8, 512), (4, 1024))
POOLS = (13, 9, 5)


class Conv(nn.Module):
    """A convolution that keeps the size (or halves it), BN, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))  # type: ignore[no-any-return]


class Residual(nn.Module):
    """conv1x1 to half the width, conv3x3 back, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = Conv(width, width // 2, 1)
        self.conv2 = Conv(width // 2, width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(self.conv1(x))  # type: ignore[no-any-return]


class Pyramid(nn.Module):
    """The map beside the maxima around every place, within windows of 13, 9 and 5 cells. Zeros count outside, as Darknet has it."""

    def forward(self, x: Tensor) -> Tensor:
        around = [F.max_pool2d(F.pad(x, (side // 2,) * 4), side, stride=1) for side in POOLS]
        return torch.cat([*around, x], 1)


def alternating(inputs: int, width: int, convolutions: int) -> nn.Sequential:
    """conv1x1 to ``width`` and conv3x3 to twice that, in turn."""
    layers = []
    for number in range(convolutions):
        outputs, kernel = (width, 1) if number % 2 == 0 else (2 * width, 3)
        layers.append(Conv(inputs, outputs, kernel))
        inputs = outputs
    return nn.Sequential(*layers)


class YOLOv3SPP(nn.Module):
    """Pictures (B, 3, S, S), S a multiple of 32, RGB in 0..1 -> predictions (B, 3 x 21 (S/32)^2, 5 + classes), see :func:`decode`."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        answers = 3 * (5 + classes)
        self.classes = classes
        self.stem = Conv(3, 32, 3)
        inputs = 32
        for number, (blocks, width) in enumerate(STAGES, 1):
            stage = nn.Sequential(Conv(inputs, width, 3, stride=2), *(Residual(width) for _ in range(blocks)))
            setattr(self, f"stage{number}", stage)
            inputs = width
        self.neck1 = nn.Sequential(*alternating(1024, 512, 3), Pyramid(), *alternating(2048, 512, 3))
        self.wide1 = Conv(512, 1024, 3)
        self.out1 = nn.Conv2d(1024, answers, 1)
        self.narrow2 = Conv(512, 256, 1)
        self.neck2 = alternating(256 + 512, 256, 5)
        self.wide2 = Conv(256, 512, 3)
        self.out2 = nn.Conv2d(512, answers, 1)
        self.narrow3 = Conv(256, 128, 1)
        self.neck3 = alternating(128 + 256, 128, 5)
        self.wide3 = Conv(128, 256, 3)
        self.out3 = nn.Conv2d(256, answers, 1)

    def maps(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three outputs (B, 3 (5 + classes), G, G), the coarsest first."""
        x = self.stage2(self.stage1(self.stem(x)))
        fine = self.stage3(x)
        middle = self.stage4(fine)
        coarse = self.neck1(self.stage5(middle))
        first = self.out1(self.wide1(coarse))
        middle = self.neck2(torch.cat([twice(self.narrow2(coarse)), middle], 1))
        second = self.out2(self.wide2(middle))
        fine = self.neck3(torch.cat([twice(self.narrow3(middle)), fine], 1))
        return first, second, self.out3(self.wide3(fine))

    def forward(self, x: Tensor) -> Tensor:
        side = x.shape[-1]
        return torch.cat([decode(map_, side, anchors, self.classes) for map_, anchors in zip(self.maps(x), ANCHORS)], 1)


class Detecting(nn.Module):
    """The network for pictures of one ``side``, with the taps of the backbones: its convolutions apart from the decoding."""

    def __init__(self, net: YOLOv3SPP, side: int) -> None:
        super().__init__()
        self.net = net
        self.grids = tuple(side // stride for stride in STRIDES)

    def forward_features(self, x: Tensor) -> Tensor:
        """The three outputs, a row for each box: (B, N, 5 + classes)."""
        return torch.cat([rows(map_, len(anchors)) for map_, anchors in zip(self.net.maps(x), ANCHORS)], 1)

    def pool(self, x: Tensor) -> Tensor:
        """The predictions (B, N, 5 + classes), see :func:`decode`."""
        parts = x.split([3 * grid * grid for grid in self.grids], 1)
        return torch.cat([boxes(*part) for part in zip(parts, self.grids, STRIDES, ANCHORS)], 1)

    def feature(self, x: Tensor) -> Tensor:
        """The predictions."""
        return self.pool(self.forward_features(x))


def twice(x: Tensor) -> Tensor:
    """A map twice as fine, each value four times."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def decode(map_: Tensor, side: int, anchors: Sequence[Sequence[float]], classes: int = CLASSES) -> Tensor:
    """An output (B, A (5 + classes), G, G) of a picture of ``side`` pixels -> (B, G G A, 5 + classes).

    Rows go along the grid's rows, anchors fastest. A row is middle x, y, width, height in pixels, whether there is anything, and how
    likely each class is.
    """
    grid = map_.shape[2]
    assert map_.shape[1] == len(anchors) * (5 + classes)
    return boxes(rows(map_, len(anchors)), grid, side // grid, anchors)


def rows(map_: Tensor, anchors: int) -> Tensor:
    """An output with a row for each box."""
    return map_.unflatten(1, (anchors, -1)).permute(0, 3, 4, 1, 2).flatten(1, 3)


def boxes(said: Tensor, grid: int, stride: int, anchors: Sequence[Sequence[float]]) -> Tensor:
    """Rows of one output to boxes in pixels and chances."""
    said = said.unflatten(1, (grid * grid, len(anchors)))
    places = torch.arange(grid, dtype=said.dtype, device=said.device)
    corner = torch.stack([places.repeat(grid), places.repeat_interleave(grid)], 1)[None, :, None]
    sizes = torch.tensor(anchors, dtype=said.dtype, device=said.device)
    middle = (torch.sigmoid(said[..., :2]) + corner) * stride
    size = torch.exp(said[..., 2:4]) * sizes
    return torch.cat([middle, size, torch.sigmoid(said[..., 4:])], 3).flatten(1, 2)
