"""Where the AFSD head looks: priors, levels, and the segments around the two boundaries of each coarse prediction.

Positions of all levels stand one after the other, finest first: 64 + 32 + 16 + 8 + 4 + 2 = 126 for clips of 256 frames.
"""

from __future__ import annotations

import torch
from torch import Tensor


def level_lengths(frames: int, levels: int) -> tuple[int, ...]:
    """Steps of every level: a quarter of the frames, and half as many from level to level. Raises ValueError if they do not divide."""
    lengths = [frames // 4]
    while len(lengths) < levels:
        lengths.append((lengths[-1] + 1) // 2)
    if frames % 8 or levels < 2 or lengths.count(1) > 1:
        raise ValueError(
            f"clips of {frames} frames have no {levels} levels: frames must divide by 8, and only the last level may have one step"
        )
    return tuple(lengths)


def priors_of(lengths: tuple[int, ...]) -> Tensor:
    """The middle of every step (N, 1), as a share of the clip."""
    return torch.cat([(torch.arange(t, dtype=torch.float32) + 0.5) / t for t in lengths])[:, None]


def widened(start: Tensor, end: Tensor, length: Tensor) -> Tensor:
    """Segments (..., 4): around the start, and around the end, rounded half to even, in the units of the input.

    They reach a quarter of the ``length`` into the action and a tenth out of it, at least one step each.
    """
    inside, outside = (length / 4).clamp(min=1.0), (length / 10).clamp(min=1.0)
    return torch.stack([start - outside, start + inside, end - inside, end + outside], -1).round()


@torch.no_grad()
def proposals(loc: Tensor, priors: Tensor, lengths: tuple[int, ...], frames: int) -> tuple[Tensor, Tensor]:
    """Distances in frames (B, N, 2) -> segments (B, N, 4) in steps of each position's own level, and in frames. No gradient."""
    steps = torch.cat([loc.new_full((t,), t) for t in lengths])
    centre = (priors[:, 0] * steps - 0.5).round()
    left, right = (loc / frames * steps[:, None]).unbind(-1)
    in_steps = widened(centre - left, centre + right, left + right)
    middle = priors[:, 0] * frames
    start, end = middle - loc[..., 0], middle + loc[..., 1]
    return in_steps, widened(start, end, end - start + 1)


def joined(segments: Tensor, lengths: tuple[int, ...]) -> Tensor:
    """Segments (B, N, 4) in steps of their level -> the same in steps of all levels one after the other, each within its level."""
    parts, offset = [], 0
    for part, t in zip(segments.split(lengths, 1), lengths, strict=True):
        parts.append(part.clamp(0, t - 1) + offset)
        offset += t
    return torch.cat(parts, 1)
