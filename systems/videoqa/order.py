"""The order of an epoch in which questions about the same video stand together, so that a batch has few videos to read and to encode."""

from __future__ import annotations

import torch
from torch import Tensor

from models.training.determinism import epoch_order


def grouped(order: Tensor, videos: Tensor, together: int, seed: int, epoch: int) -> Tensor:
    """Gather the questions of ``order`` (n,), a permutation, into groups of one video and at most ``together`` questions.

    ``videos`` (n,) says which video each question is about. Which questions of a video make a group follows ``order``; the groups stand
    at random, a function of (seed, epoch) and their number. Questions beyond the last full group of a video make a smaller one.
    """
    by_video = order[torch.argsort(videos[order], stable=True)]
    _, counts = torch.unique_consecutive(videos[by_video], return_counts=True)
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)  # where the questions of its video begin
    begins = (torch.arange(len(order)) - first) % together == 0
    group = begins.cumsum(0) - 1
    places = epoch_order(int(group[-1]) + 1, seed, epoch)
    return by_video[torch.argsort(places[group], stable=True)]
