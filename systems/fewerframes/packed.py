"""The real frames of a batch without its padding.

A third of the published grid is padding. Padded frames meet the network in one place alone, the batch statistics of ``cluster_bn``
(quirk 3), and there they are all the same row: so it is computed once and counted as often as it stands in the grid.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Packed(NamedTuple):
    """``rows`` (N,D) of the real frames, video by video; ``counts`` of each of the B videos; the ``padding`` row (D,), ``padded`` times."""

    rows: Tensor
    counts: tuple[int, ...]
    padding: Tensor
    padded: int


def pack(x: Tensor, present: Tensor, padding: Tensor) -> Packed:
    """Pack frames ``x`` (B,M,D), float or codes; rows that are not ``present`` (B,M) are taken to be ``padding``."""
    counts = tuple(present.sum(1).tolist())
    rows = x.reshape(-1, x.shape[-1])[present.reshape(-1).nonzero()[:, 0]] if sum(counts) < present.numel() else x.reshape(-1, x.shape[-1])
    return Packed(rows, counts, padding, present.numel() - sum(counts))


def pooled(left: Tensor, right: Tensor, counts: tuple[int, ...], share: int = 1) -> Tensor:
    """left^T right of each video: (N share, F) and (N share, K), video by video, to (B, F, K)."""
    if len(set(counts)) == 1:
        videos = len(counts)
        return torch.bmm(left.view(videos, -1, left.shape[-1]).transpose(1, 2), right.view(videos, -1, right.shape[-1]))
    sizes = [count * share for count in counts]
    return torch.stack([a.t() @ b for a, b in zip(left.split(sizes), right.split(sizes))])
