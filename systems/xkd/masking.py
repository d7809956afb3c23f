"""Which patches a masked autoencoder hides: each sample's own random choice (spec 4)."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Masking(NamedTuple):
    """What is kept of N patches.

    kept:     (B, n) indices, in the order of their noise.
    restore:  (B, N) places of the patches in [kept, hidden].
    mask:     (B, N), 1 where a patch is hidden.
    """

    kept: Tensor
    restore: Tensor
    mask: Tensor


def masking(noise: Tensor, ratio: float) -> Masking:
    """Hide the share ``ratio`` with the largest ``noise`` (B, N), uniform in [0, 1); n = N (1 - ratio), rounded half to even."""
    shuffle = noise.argsort(stable=True, dim=1)
    kept = shuffle[:, : round(noise.shape[1] * (1 - ratio))]
    mask = noise.new_ones(noise.shape).scatter_(1, kept, 0.0)
    return Masking(kept, shuffle.argsort(stable=True, dim=1), mask)
