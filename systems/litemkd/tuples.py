"""Linear maps of all ordered tuples of frames, without building the tuples.

A tuple of c frames is the concatenation z = [x_a; x_b; ...] of their vectors, and W z = W_1 x_a + W_2 x_b + ..., with W_p the columns of W
that meet the p-th frame. So every frame is projected once for every place that it can have in a tuple, and a tuple gathers c
vectors and adds them. For pairs of 8 frames these are 14 products of half the width instead of 28 of the full width: a quarter of
the arithmetic; for triples a ninth.
"""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def ordered_tuples(frames: int, cardinality: int) -> Tensor:
    """All increasing c-subsets of 0..frames-1 in lexicographic order: (n, c) int64."""
    return torch.tensor(list(combinations(range(frames), cardinality)), dtype=torch.int64)


def project_tuples(x: Tensor, linear: nn.Linear, tuples: Tensor) -> Tensor:
    """``linear`` of every tuple: (N, T, D), a layer from c D to d and (n, c) of :func:`ordered_tuples` give (N, n, d)."""
    count, dim = tuples.shape[1], x.shape[-1]
    total = x.new_zeros(())
    for place, weight in enumerate(linear.weight.view(linear.out_features, count, dim).unbind(1)):
        frames = x[:, place : x.shape[1] - count + place + 1]  # only these can stand there
        part = F.linear(frames, weight, linear.bias if place == 0 else None)
        part = part.index_select(1, tuples[:, place] - place)
        total = part if place == 0 else total.add_(part)
    return total
