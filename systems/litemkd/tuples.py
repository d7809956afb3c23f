"""Ordered tuples of frames, and linear maps of them without building the tuples.

A tuple of c frames is the concatenation z = [x_a; x_b; ...] of their vectors, and W z = W_1 x_a + W_2 x_b + ..., with W_p the columns of W
that meet the p-th frame. So every frame is projected once for every place that it can have in a tuple. For pairs of 8 frames these are
14 products of half the width instead of 28 of the full width, a quarter of the arithmetic; for triples a ninth.

What the frames of a clip have in common is by far the most of them, and a layer may look for changes: then W_1 x_a and W_2 x_b nearly
cancel, and a small difference of large products would lose digits. So a clip has *parts*: what each projected frame adds to the mean of
its place, and one part that all tuples share, the sum of these means and the bias. A tuple is the sum of c + 1 parts; a constant 0-1
matrix says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def ordered_tuples(frames: int, cardinality: int) -> Tensor:
    """All increasing c-subsets of 0..frames-1 in lexicographic order: (n, c) int64."""
    return torch.tensor(list(combinations(range(frames), cardinality)), dtype=torch.int64, device="cpu")


def membership(frames: int, cardinality: int) -> Tensor:
    """Which parts a tuple is the sum of: (n, P). P = c (frames - c + 1) + 1: the first place's, the second's ..., what all share."""
    tuples, each = ordered_tuples(frames, cardinality), frames - cardinality + 1
    places = torch.arange(cardinality, device="cpu")  # in no state: a network that is built without numbers needs it all the same
    own = F.one_hot(tuples - places + places * each, cardinality * each).sum(1)
    return F.pad(own, (0, 1), value=1).float()


def project_parts(x: Tensor, layers: Sequence[nn.Linear], cardinality: int) -> list[Tensor]:
    """The parts of clips (N, T, D) under layers from c D to d: (N, P, d) for each."""
    places = [x[:, place : x.shape[1] - cardinality + place + 1].contiguous() for place in range(cardinality)]  # who can stand there
    return [_parts(places, layer) for layer in layers]


def _parts(places: Sequence[Tensor], layer: nn.Linear) -> Tensor:
    found, shared = [], layer.bias
    for frames, weight in zip(places, layer.weight.view(layer.out_features, len(places), -1).unbind(1)):
        projected = F.linear(frames, weight)
        mean = projected.mean(1, keepdim=True)
        found.append(projected.sub_(mean))
        shared = shared + mean
    return torch.cat([*found, shared], 1)
