"""The comparisons of many episodes in one go, between clips that were prepared once (spec C, F).

Symbols: E episodes, W ways, K shots, S = W K support clips, Q queries of an episode; n tuples of P parts, d numbers (``trx.py``). The rows
of support clips (E, W, K) stand in the order of their classes, those of queries are (E, Q); all are int64. Logits are (E, Q, W).

The formulas are those of the heads, in another order of sums: logits agree to rounding, and not in their last bits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from systems.litemkd.otam import alignment, frame_distances
from systems.litemkd.trx import CrossTransformer, Projected


def cross(head: CrossTransformer, known: Projected, asked: Projected, support: Tensor, query: Tensor) -> Tensor:
    """A cross-transformer's logits. ``known`` and ``asked`` are all clips as support and as queries."""
    members, (way, shot) = head.members, support.shape[1:]
    places = support.flatten(1)
    keys, wanted = known.keys[places].flatten(1, 2), asked.keys[query]
    between = (wanted.flatten(1, 2) @ keys.transpose(1, 2)).unflatten(1, wanted.shape[1:3])
    products = (members @ between).unflatten(-1, (places.shape[1], -1)) @ members.t()  # (E, Q, n, S, n)
    products *= asked.scales[query][..., None, None]
    scores = torch.addcmul(known.biases[places][:, None, None], products, known.scales[places][:, None, None])
    scores *= head.k_linear.out_features**-0.5
    attention = scores.view(*scores.shape[:3], way, -1).softmax(-1).view(*scores.shape[:3], way, shot, -1) @ members
    attention = attention.permute(0, 3, 1, 2, 4, 5).flatten(4)  # (E, W, Q, n, K P)
    values = known.values[places].view(len(places), way, -1, keys.shape[-1])
    offered = (attention.flatten(2, 3) @ values).view(*attention.shape[:4], -1)
    apart = offered.sub_((members @ asked.values[query])[:, None])
    return -apart.square_().sum((-2, -1)).transpose(1, 2) / len(members)


def means(known: Tensor, asked: Tensor, support: Tensor, query: Tensor) -> Tensor:
    """Minus the mean distances of mean frames (N, D), as :func:`systems.litemkd.distance.compare_means`."""
    apart = torch.cdist(asked[query], known[support.flatten(1)], compute_mode="donot_use_mm_for_euclid_dist")
    return -apart.unflatten(-1, support.shape[1:]).mean(-1)


def patches(known: Tensor, asked: Tensor, support: Tensor, query: Tensor) -> Tensor:
    """Minus the distances of mapped tuples (N, n, D / 2) from the nearest of a class, as :class:`systems.litemkd.strm.PatchDistance`."""
    apart = torch.cdist(asked[query].flatten(1, 2), known[support.flatten(1)].flatten(1, 2))
    return -apart.view(*query.shape, known.shape[1], support.shape[1], -1).amin(-1).mean(2)


def aligned(known: Tensor, asked: Tensor, support: Tensor, query: Tensor, *, logits: str = "distance") -> Tensor:
    """Minus the class distances of frames (N, T, D) aligned, or their softmax, as :func:`systems.litemkd.otam.otam`."""
    columns = []
    for places, rows in zip(support.flatten(1), query):  # frames are compared episode by episode, aligned together
        apart = frame_distances(asked[rows], known[places])
        columns.append(torch.stack([apart, apart.transpose(-1, -2)]))
    distances = alignment(torch.stack(columns, 1)).sum(0).unflatten(-1, support.shape[1:]).mean(-1)
    if logits == "distance":
        return -distances
    broken = known[support].isnan().flatten(1).any(1)
    return torch.where(broken[:, None, None], 0.0, (-distances).softmax(-1))
