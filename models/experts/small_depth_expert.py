"""small-depth as an expert."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.backbones.published import load_into, read_state
from models.experts.depth import DepthExpert, scaled
from models.experts.running import Expert, Setup
from models.experts.small_depth import MULTIPLE, SHORT, SmallDepth


def small(setup: Setup) -> Expert:
    """small-depth, the network of the embedded world. Option: ``working``, the short side (120)."""
    short = int(setup.options.get("working", 0)) or SHORT
    size = scaled(setup.height, setup.width, short, MULTIPLE)
    torch.manual_seed(setup.seed)
    net = SmallDepth(*size)
    if setup.weights is not None:
        load_into(net, read_state(setup.weights), setup.weights.name)
    return DepthExpert(Resized(net, setup.height, setup.width), setup, size, "symmetric", "small-depth")


class Resized(nn.Module):
    """``net`` with its depth (B, h, w) made (B, height, width), bilinear."""

    def __init__(self, net: SmallDepth, height: int, width: int) -> None:
        super().__init__()
        self.net, self.size = net, (height, width)

    def forward_features(self, x: Tensor) -> Tensor:
        """The network's last map."""
        return self.net.forward_features(x)

    def pool(self, x: Tensor) -> Tensor:
        """Metres, in the size that is wanted."""
        return F.interpolate(self.net.pool(x)[:, None], self.size, mode="bilinear", align_corners=False)[:, 0]

    def feature(self, x: Tensor) -> Tensor:
        """Depth (B, height, width)."""
        return self.pool(self.forward_features(x))
