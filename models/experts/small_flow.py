"""small-flow: optical flow of small drawn frames, from coarse to fine (0.8 M parameters).

As PWC-Net (Sun et al., CVPR 2018): at each level of a pyramid of features the second frame's are warped by the flow so far, compared with
the first frame's at displacements of a few cells, and what is left to move is said. Features are normalised before they are compared
(UFlow, Jonschkowski et al., ECCV 2020), and the mean displacement, weighted by how well each matches, is told as well (soft argmin, GC-Net,
Kendall et al., ICCV 2017). The finest level compares nothing but looks at both frames' features side by side (the sub-pixel refinement of
LiteFlowNet, Hui et al., CVPR 2018), and its flow is enlarged by weighted means of the cells around (RAFT, Teed and Deng, ECCV 2020), so
that it has edges. Trained by ``stages.derive.pretraining``.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from models.experts.flownet2_operators import correlation, resample2d

fx.wrap("compared")
fx.wrap("displacement")
fx.wrap("standardised")
fx.wrap("resample2d")
fx.wrap("enlarged")

#: channels of the features of strides 2, 4, 8, 16
WIDTHS = (16, 32, 64, 96)
#: cells to each side in which strides 4, 8, 16 look for a match: up to 64 pixels in all
REACHES = (3, 4, 4)
#: height and width of a frame must be multiples of this
MULTIPLE = 16
#: a pair's deviation, in levels of 255, to which this is added: what is flat is not blown up
FLAT = 8.0
#: how sharply matches are weighed, before training; cells of flow that a level's last layer says by 1
SHARPNESS, CELLS = 20.0, 0.1


class Block(nn.Sequential):
    """conv, BN, ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class Plain(nn.Sequential):
    """conv3x3, leaky ReLU. How large a motion is must not depend on the other pairs of a batch, so there is no BN."""

    def __init__(self, inputs: int, outputs: int) -> None:
        conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        nn.init.kaiming_normal_(conv.weight, 0.1)
        super().__init__(conv, nn.LeakyReLU(0.1))


class Level(nn.Module):
    """How a flow so far is to be changed, of maps of features of both frames and what the ``coarser`` level knows.

    Says what it knows of the motion (B, widths[-1], h, w) and a flow (B, 2, h, w) in cells, float32. ``reach``: cells to each side in
    which features are compared; 0: not at all.
    """

    def __init__(self, features: int, reach: int, coarser: int, *widths: int) -> None:
        super().__init__()
        self.reach = reach
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS)) if reach else None
        inputs = features + ((2 * reach + 1) ** 2 + 2 if reach else features)
        self.narrow = nn.Conv2d(coarser, widths[-1], 1) if coarser else None
        inputs += widths[-1] + 2 if coarser else 0
        self.layers = nn.Sequential(*(Plain(*sides) for sides in pairwise((inputs, *widths))))
        self.flow = nn.Conv2d(widths[-1], 2, 3, padding=1)
        nn.init.zeros_(self.flow.weight)
        nn.init.zeros_(self.flow.bias)

    def forward(self, features: Tensor, coarser: Tensor | None = None, flow: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Features (2 B, C, h, w), the first frames' first; what the coarser level knows and its flow, of half the size."""
        first = features.chunk(2)[0]
        so_far: list[Tensor] = []
        compare, to = (standardised(features) if self.reach else features).chunk(2)
        if coarser is not None and flow is not None:
            flow = 2 * twice(flow)
            so_far = [twice(self.narrow(coarser)), flow.to(first.dtype)]  # type: ignore[misc]
            to = resample2d(to, flow.detach())
        if self.reach:
            matches = compared(compare, to, self.reach)
            seen = [first, matches, displacement(matches, self.sharpness, self.reach)]
        else:
            seen = [first, to]
        known = self.layers(torch.cat([*seen, *so_far], 1))
        change = CELLS * self.flow(known).float()
        return known, change if flow is None else flow + change


class SmallFlow(nn.Module):
    """Pairs of frames (B, 6, H, W), as :func:`normalised` leaves them, sides multiples of 16 -> flow (B, 2, H, W) in pixels."""

    def __init__(self) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = WIDTHS
        self.encode1 = Block(3, half, 2, 5)
        self.encode2 = nn.Sequential(Block(half, quarter, 2), Block(quarter, quarter))
        self.encode3 = nn.Sequential(Block(quarter, eighth, 2), Block(eighth, eighth))
        self.encode4 = nn.Sequential(Block(eighth, sixteenth, 2), Block(sixteenth, sixteenth))
        self.level4 = Level(sixteenth, REACHES[2], 0, 96, 96, 64)
        self.level3 = Level(eighth, REACHES[1], 64, 64, 64, 48)
        self.level2 = Level(quarter, REACHES[0], 48, 48, 32, 32)
        self.level1 = Level(half, 0, 32, 32, 24)
        self.mask = nn.Conv2d(24, 4 * 9, 1)

    def flows(self, x: Tensor) -> list[Tensor]:
        """Flow of strides 1, 2, 4, 8, 16, each (B, 2, H / stride, W / stride) in cells of its own."""
        features1 = self.encode1(torch.cat(x.chunk(2, 1)))
        features2 = self.encode2(features1)
        features3 = self.encode3(features2)
        features4 = self.encode4(features3)
        known, flow4 = self.level4(features4)
        known, flow3 = self.level3(features3, known, flow4)
        known, flow2 = self.level2(features2, known, flow3)
        known, flow1 = self.level1(features1, known, flow2)
        return [enlarged(flow1, self.mask(known)), flow1, flow2, flow3, flow4]

    def forward_features(self, x: Tensor) -> Tensor:
        """Flow (B, 2, H, W) in pixels."""
        return self.flows(x)[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_features(x)


def normalised(pairs: Tensor) -> Tensor:
    """Pairs of frames (B, 2, 3, H, W), 0..255, as network input (B, 6, H, W): without the mean of a colour in both, by their deviation."""
    moved = pairs - pairs.mean((1, 3, 4), keepdim=True)
    return (moved / (moved.square().mean((1, 2, 3, 4), keepdim=True).sqrt() + FLAT)).flatten(1, 2)


def standardised(x: Tensor) -> Tensor:
    """Features (B, C, h, w), each place's of mean 0 and deviation 1."""
    moved = x.float() - x.float().mean(1, keepdim=True)
    return (moved * (moved.square().mean(1, keepdim=True) + 1e-3).rsqrt()).to(x.dtype)


def compared(first: Tensor, second: Tensor, reach: int) -> Tensor:
    """How alike features (B, C, h, w) are at displacements up to ``reach``: (B, (2 reach + 1)^2, h, w)."""
    return correlation(first, second, reach, 1, reach, 1, 1)


def displacement(matches: Tensor, sharpness: Tensor, reach: int) -> Tensor:
    """The mean displacement in cells (B, 2, h, w), x and y, of ``matches`` as :func:`compared` has them, weighted by their softmax."""
    weights = (matches.float() * sharpness).softmax(1).unflatten(1, (2 * reach + 1, 2 * reach + 1))
    cells = torch.arange(-reach, reach + 1, dtype=torch.float32, device=matches.device).reshape(1, -1, 1, 1)
    return torch.stack([(weights.sum(along) * cells).sum(1) for along in (1, 2)], 1).to(matches.dtype)


def twice(x: Tensor) -> Tensor:
    """Maps of half the stride."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def enlarged(flow: Tensor, mask: Tensor) -> Tensor:
    """Flow of stride 2, in cells, as one of stride 1: means of the 3x3 cells around, weighted by softmax of ``mask`` (B, 36, h, w)."""
    batch, _, height, width = flow.shape
    weights = mask.float().reshape(batch, 9, 1, 4, height, width).softmax(1)
    around = F.pad(2 * flow.float(), (1, 1, 1, 1), mode="replicate")
    cells = [around[:, :, None, j : j + height, i : i + width] for j in range(3) for i in range(3)]
    mean = sum(weights[:, k] * cell for k, cell in enumerate(cells))
    return F.pixel_shuffle(mean.flatten(1, 2), 2)  # type: ignore[union-attr]
