"""What is done around AdaBins: its two settings, mirrored prediction, the way back to the picture's size, values of 16 bits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.inputs import Images, input_on
from models.experts.adabins import AdaBins, centres

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Setting:
    """Range in metres, and the factor of its 16-bit pictures."""

    nearest: float
    farthest: float
    factor: int


SETTINGS = {"nyu": Setting(1e-3, 10.0, 1000), "kitti": Setting(1e-3, 80.0, 256)}
#: rows and columns of KITTI's pictures that its network was trained and measured on
KITTI_SIZE = (352, 1216)


class SeesDepth(Protocol):
    """A network from pictures (B, 3, h, w) to metres (B, 1, h/2, w/2)."""

    nearest: float
    farthest: float

    def depth(self, x: Tensor) -> Tensor:
        """Metres."""


class Predicted(nn.Module):
    """Pictures of the working size -> depth (B, height, width) between the network's nearest and farthest.

    ``mirror``: the mean of what the network sees in a picture and in its mirror image. What is not a number stays none.
    """

    def __init__(self, net: SeesDepth, height: int, width: int, mirror: bool = False) -> None:
        super().__init__()
        self.net, self.size, self.mirror = net, (height, width), mirror

    def forward_features(self, x: Tensor) -> Tensor:
        """Metres at half the working size (B, 1, h/2, w/2); of B pictures and then of B mirror images if they are asked for."""
        return self.net.depth(torch.cat([x, x.flip(3)]) if self.mirror else x)

    def pool(self, x: Tensor) -> Tensor:
        """The mean of both, in the size that is wanted."""
        net = self.net
        x = x.clamp(net.nearest, net.farthest)
        if self.mirror:
            plain, mirrored = x.chunk(2)
            x = 0.5 * (plain + mirrored.flip(3))
        return F.interpolate(x, self.size, mode="bilinear", align_corners=True)[:, 0].clamp(net.nearest, net.farthest)

    def feature(self, x: Tensor) -> Tensor:
        """Depth (B, height, width)."""
        return self.pool(self.forward_features(x))


@torch.inference_mode()
def predict(net: AdaBins, picture: Images) -> tuple[Floats, Floats]:
    """What the authors' helper returns for a picture (H, W, 3): centres of bins inside the range, and depth (H, W), with mirroring.

    It is not resized. Depth that is infinite becomes the farthest, what is no number the nearest.
    """
    x = input_on("cpu", "imagenet", 3)(picture[None])
    depth = Predicted(net, *picture.shape[:2], mirror=True).feature(x)[0]
    middles = centres(net(x)[0])[0]
    inside = middles[(middles > net.nearest) & (middles < net.farthest)]
    return inside.numpy(), torch.nan_to_num(depth, net.nearest, net.farthest, net.nearest).numpy()


def sixteen_bits(depth: Floats, factor: int) -> npt.NDArray[np.uint16]:
    """Depth (H, W) in metres as the pixels of a 16-bit picture: multiplied by ``factor`` and cut off."""
    return (depth * np.float32(factor)).astype(np.uint16)


def kitti_crop(picture: Images) -> Images:
    """The bottom middle of a picture (H, W, 3) of KITTI, 352 x 1216."""
    height, width = KITTI_SIZE
    top, left = picture.shape[0] - height, int((picture.shape[1] - width) / 2)
    return picture[top : top + height, left : left + width]
