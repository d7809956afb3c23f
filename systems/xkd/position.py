"""Learned position tables on other grids than those they were trained on (spec 3).

The published code gives the interpolation a scale instead of a size, a tenth of a patch above what it wants. The sampling points follow
from that scale: an axis that keeps its length is shifted a little as well.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

MARGIN = 0.1


def video(table: Tensor, times: int, grid: tuple[int, ...]) -> Tensor:
    """(1, 1 + times s s, D) to (1, 1 + t h w, D) of ``grid`` (t, h, w), trilinear; the CLS entry is kept."""
    dim, side = table.shape[-1], math.isqrt((table.shape[1] - 1) // times)
    patches = table[:, 1:].reshape(1, times, side, side, dim).permute(0, 4, 1, 2, 3)
    scale = [(want + MARGIN) / have for want, have in zip(grid, (times, side, side))]
    found = F.interpolate(patches, scale_factor=scale, mode="trilinear", align_corners=False)
    return torch.cat([table[:, :1], found.permute(0, 2, 3, 4, 1).reshape(1, -1, dim)], 1)


def audio(table: Tensor, bands: int, grid: tuple[int, ...]) -> Tensor:
    """(1, 1 + bands n, D) to (1, 1 + bands t, D) of ``grid`` (bands, t), bicubic along time; the CLS entry is kept.

    The weights of the n entries are those that interpolation gives to a one among zeros: a small matrix, where interpolating the table
    costs 11 ms.
    """
    patches = table[0, 1:].reshape(bands, -1, table.shape[-1])
    entries = patches.shape[1]
    ones = torch.eye(entries, dtype=table.dtype, device=table.device)[None, :, None]
    scale = [1.0, (grid[1] + MARGIN) / entries]
    weights = F.interpolate(ones, scale_factor=scale, mode="bicubic", align_corners=False)[0, :, 0]
    with torch.autocast(table.device.type, enabled=False):
        found = weights.t() @ patches
    return torch.cat([table[:, :1], found.reshape(1, -1, table.shape[-1])], 1)
