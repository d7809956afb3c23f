"""Which action each position of the pyramid shall predict."""

from __future__ import annotations

import torch
from torch import Tensor

from systems.gkd.detection.overlap import iou


def matched(priors: Tensor, target: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Distances to start and end in frames (N, 2), and classes (N,), int64, of positions (N, 1); 0 where no action is.

    A position takes the shortest action that it lies in, of equals the first. ``target`` (n, 3) is start and end in 0..1, and class.
    """
    if not len(target):
        return priors.new_zeros(len(priors), 2), torch.zeros(len(priors), dtype=torch.long, device=priors.device)
    start, end, kind = target.unbind(1)
    distances = torch.stack([(priors - start) * frames, (end - priors) * frames], -1)
    far = 2.0 * frames
    length = torch.where((distances < 0).any(-1), far, distances.sum(-1))
    best = length.sort(dim=1, stable=True)
    first = best.indices[:, 0]
    classes = torch.where(best.values[:, 0] >= far, 0, kind[first].long())
    return distances[torch.arange(len(priors), device=priors.device), first], classes


@torch.no_grad()
def refined(loc: Tensor, goals: Tensor, classes: Tensor, piou: float) -> tuple[Tensor, Tensor]:
    """Corrections (M, 2) of coarse distances in halves of their length, and classes (M,): 0 where the overlap is below ``piou``."""
    corrections = (goals - loc) / (0.5 * loc.sum(-1, keepdim=True))
    return corrections, torch.where(iou(loc, goals) < piou, 0, classes)


def gaps(target: Tensor) -> Tensor:
    """The background between actions, and before and after them: (n, 3) in order of time -> (n + 1, 3) of class 0."""
    edge = target.new_tensor
    starts, ends = torch.cat([edge([0.0]), target[:, 1]]), torch.cat([target[:, 0], edge([1.0])])
    return torch.stack([starts, ends, torch.zeros_like(starts)], 1)
