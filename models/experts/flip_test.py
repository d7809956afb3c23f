"""FastPose on a crop and on its mirror image, averaged: what the published numbers were measured with."""

from __future__ import annotations

import torch
from torch import Tensor, nn

#: left and right of COCO's 17 joints change places
SWAP = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)


class FlipTest(nn.Module):
    """``net`` (a FastPose: crops -> heat maps (B, 17, H, W)) on both; those of the mirror image are mirrored back
    and moved one column to the right.

    The published code moves them by a copy onto themselves, whose result on a CPU depends on the width of its vectors; here it is a
    copy of its own, and column 0 stays.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward_features(self, x: Tensor) -> Tensor:
        """Heat maps of the crops, then of their mirror images: (2B, 17, H, W)."""
        return self.net.forward_features(torch.cat([x, x.flip(3)]))  # type: ignore[operator, no-any-return]

    def pool(self, x: Tensor) -> Tensor:
        """The average (B, 17, H, W)."""
        plain, mirrored = self.net.pool(x).chunk(2)  # type: ignore[operator]
        return (plain + moved(mirrored)) / 2

    def feature(self, x: Tensor) -> Tensor:
        """The average heat maps."""
        return self.pool(self.forward_features(x))


def moved(mirrored: Tensor) -> Tensor:
    """Maps of mirrored crops as maps of the crops: mirrored, left and right exchanged, one column to the right."""
    back = mirrored.flip(3)[:, SWAP]
    return torch.cat([back[..., :1], back[..., :-1]], 3)
