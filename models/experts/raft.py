"""RAFT as an expert: torchvision's layers and weights.

Teed and Deng, "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020. The way through the layers
is written again: torchvision's keeps the correlations of a call in the network, so that two threads that use it at once mix up their
frames, and it enlarges the flow of every iteration, where only the last is wanted.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torchvision.models.optical_flow import raft_large, raft_small

from models.experts.flow_fit import Fit
from models.experts.flow_network import FlowExpert, with_weights
from models.experts.running import Setup

fx.wrap("pyramid_of")
fx.wrap("looked_up")
fx.wrap("zeros_of")
fx.wrap("enlarged")

MULTIPLE, LEAST = 8, 128
NETWORKS = {"raft-large": raft_large, "raft-small": raft_small}
#: floats of maps for a pixel of the input, and of the volume of correlations for a pair of cells of stride 8
FLOATS, FLOATS_OF_A_PAIR = 200, 2


def expert(setup: Setup, network: str) -> FlowExpert:
    """The expert ``network``. Frames are padded, whatever ``size_rule`` is; ``iterations`` of refinement, 12 if not said."""
    fit = Fit("pad", setup.height, setup.width, MULTIPLE, LEAST)
    made = with_weights(lambda: NETWORKS[network](weights=None), setup.weights, setup.seed)
    pixels = fit.size[0] * fit.size[1]
    size = 4 * (FLOATS * pixels + FLOATS_OF_A_PAIR * (pixels // MULTIPLE**2) ** 2)
    return FlowExpert(Raft(made, int(setup.options.get("iterations", 12))), setup, fit, to_input, size, network)


def to_input(frames: Tensor) -> Tensor:
    """Frames (2 B, 3, H, W), pair by pair, to input (B, 6, H, W) in -1..1."""
    return ((frames / 255 - 0.5) / 0.5).unflatten(0, (-1, 2)).flatten(1, 2)


class Raft(nn.Module):
    """The last flow of ``net``, a RAFT of torchvision, after ``iterations``."""

    def __init__(self, net: nn.Module, iterations: int) -> None:
        super().__init__()
        self.net, self.iterations = net, iterations
        self.hidden = int(net.update_block.hidden_state_size)
        self.levels, self.radius = int(net.corr_block.num_levels), int(net.corr_block.radius)

    def forward_features(self, x: Tensor) -> Tensor:
        """Pairs of frames (B, 6, H, W) to flow (B, 2, H, W) in pixels; sides are multiples of 8 and at least 128."""
        first, second = x[:, :3], x[:, 3:]
        maps = self.net.feature_encoder(torch.cat((first, second)))
        pyramid = pyramid_of(maps, self.levels)
        hidden, context = self.net.context_encoder(first).tensor_split([self.hidden], 1)
        hidden, context = torch.tanh(hidden), F.relu(context)
        flow = zeros_of(maps)  # in cells of stride 8, float32
        for _ in range(self.iterations):
            correlations = looked_up(pyramid, flow, self.radius, hidden)
            hidden, change = self.net.update_block(hidden, context, correlations, flow.to(x.dtype))
            flow = flow + change
        return enlarged(flow, None if self.net.mask_predictor is None else self.net.mask_predictor(hidden))


def pyramid_of(maps: Tensor, levels: int) -> list[Tensor]:
    """Correlations of the first half of ``maps`` (2 B, C, h, w) with the second, each cell with all of its partner's: (B h w, 1, h', w').

    At each level, h' and w' are half as large.
    """
    channels, height, width = maps.shape[1:]
    first, second = maps.float().permute(0, 2, 3, 1).flatten(1, 2).chunk(2)
    volume = torch.bmm(first, second.transpose(1, 2)) / channels**0.5
    pyramid = [volume.reshape(-1, 1, height, width)]
    for _ in range(levels - 1):
        pyramid.append(F.avg_pool2d(pyramid[-1], 2, 2))
    return pyramid


def looked_up(pyramid: list[Tensor], flow: Tensor, radius: int, like: Tensor) -> Tensor:
    """Correlations around where ``flow`` points to, of all levels: (B, levels (2 radius + 1)^2, h, w), in the type of ``like``."""
    batch, _, height, width = flow.shape
    centres = (flow + _cells(flow)).permute(0, 2, 3, 1).reshape(-1, 1, 1, 2)
    around = torch.arange(-radius, radius + 1, device=flow.device, dtype=flow.dtype)
    offsets = torch.stack(torch.meshgrid(around, around, indexing="ij"), -1)  # rows go along x, as in the published networks
    found = []
    for level, volume in enumerate(pyramid):
        sides = torch.tensor([volume.shape[3] - 1, volume.shape[2] - 1], device=flow.device, dtype=flow.dtype)
        grid = (centres / 2**level + offsets) * (2 / sides) - 1
        found.append(F.grid_sample(volume, grid, align_corners=True).reshape(batch, height, width, -1))
    return torch.cat(found, -1).permute(0, 3, 1, 2).to(like.dtype)


def zeros_of(maps: Tensor) -> Tensor:
    """A flow of zero for maps (2 B, C, h, w)."""
    return torch.zeros(maps.shape[0] // 2, 2, *maps.shape[2:], device=maps.device)


def _cells(flow: Tensor) -> Tensor:
    """x and y of every cell (1, 2, h, w)."""
    rows, columns = (torch.arange(n, device=flow.device, dtype=flow.dtype) for n in flow.shape[2:])
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1]).unsqueeze(0)


def enlarged(flow: Tensor, mask: Tensor | None) -> Tensor:
    """Eight times as large: by a weighted mean of the 3x3 cells around (weights: softmax of ``mask``), or bilinear without one."""
    if mask is None:
        return 8 * F.interpolate(flow, scale_factor=8, mode="bilinear", align_corners=True)
    batch, _, height, width = flow.shape
    weights = mask.float().reshape(batch, 1, 9, 8, 8, height, width).softmax(2)
    around = F.unfold(8 * flow, 3, padding=1).reshape(batch, 2, 9, 1, 1, height, width)
    return (weights * around).sum(2).permute(0, 1, 4, 2, 5, 3).reshape(batch, 2, 8 * height, 8 * width)
