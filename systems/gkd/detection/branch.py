"""The proposal branch of AFSD: a feature of each coarse prediction, from its position and from its two boundaries."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from systems.gkd.detection import levels
from systems.gkd.detection.boundary_pooling import boundary_max_pooling
from systems.gkd.detection.layers import Unit1d, normed
from systems.gkd.detection.levels import Lengths


class ProposalBranch(nn.Module):
    """Tower features, what is pooled at frame level, and segments in steps of all levels -> refined features (B, channels, N)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cur_point_conv = normed(Unit1d(channels, channels, 1), channels)
        self.lr_conv = normed(Unit1d(channels, 2 * channels, 1), 2 * channels)
        self.roi_conv = normed(Unit1d(channels, channels, 1), channels)
        self.proposal_conv = normed(Unit1d(4 * channels, channels, 1), channels)

    def boundary(self, x: Tensor, lengths: Lengths) -> Tensor:
        """Features of starts (the first half of the channels) and of ends: (B, 2 channels, N)."""
        return levels.layer(self.lr_conv, x, lengths)

    def forward(self, x: Tensor, boundary: Tensor, frame_pooled: Tensor, segments: Tensor, lengths: Lengths) -> Tensor:
        point = levels.layer(self.cur_point_conv, x, lengths)
        level_pooled = boundary_max_pooling(boundary, segments)
        region = levels.layer(self.roi_conv, frame_pooled, lengths)
        return levels.layer(self.proposal_conv, torch.cat([region, level_pooled, point], 1), lengths)
