"""Ordered tuples of frames, and linear maps of them without building the tuples.

A tuple of c frames is the concatenation z = [x_a; x_b; ...] of their vectors, and W z = W_1 x_a + W_2 x_b + ..., with W_p the columns of W
that meet the p-th frame. So every frame is projected once for every place that it can have in a tuple: a *part*. For pairs of 8
frames these are 14 products of half the width instead of 28 of the full width, a quarter of the arithmetic; for triples a ninth. What
is linear in a tuple is then the sum of c parts, which a constant 0-1 matrix says.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def ordered_tuples(frames: int, cardinality: int) -> Tensor:
    """All increasing c-subsets of 0..frames-1 in lexicographic order: (n, c) int64."""
    return torch.tensor(list(combinations(range(frames), cardinality)), dtype=torch.int64)


def membership(frames: int, cardinality: int) -> Tensor:
    """Which parts a tuple is the sum of: (n, P), c ones a row. P = c (frames - c + 1), the parts of the first place before the second's."""
    tuples, each = ordered_tuples(frames, cardinality), frames - cardinality + 1
    places = torch.arange(cardinality)
    return F.one_hot(tuples - places + places * each, cardinality * each).sum(1).float()


def project_parts(x: Tensor, linear: nn.Linear, cardinality: int) -> Tensor:
    """The parts of clips (N, T, D) under a layer from c D to d: (N, P, d). Those of the first place hold the bias."""
    found = []
    for place, weight in enumerate(linear.weight.view(linear.out_features, cardinality, -1).unbind(1)):
        frames = x[:, place : x.shape[1] - cardinality + place + 1]  # only these can stand there
        found.append(F.linear(frames, weight, linear.bias if place == 0 else None))
    return torch.cat(found, 1)
