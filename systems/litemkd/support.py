"""Distances between the groups of a support set: what the student learns at support level (spec C.3, "distinguish")."""

from __future__ import annotations

import torch
from torch import Tensor

from cache.errors import DataError, one_of
from systems.litemkd.grouping import by_class

GROUPINGS = ("label", "position")


def support_distances(support: Tensor, labels: Tensor, grouping: str = "label") -> Tensor:
    """Row i: minus the squared distances of group i's prototype from the others', in increasing order, divided by T: (W, W - 1).

    ``support`` is (Ns, T, D); a prototype is the mean of the clips of a group, frame by frame. With ``grouping`` ``"label"`` the groups are
    the classes. ``"position"`` is the published code: the list is cut into W groups as it stands, and as it is shuffled, they
    are no classes (quirk 1). Raises DataError if the list cannot be cut so.
    """
    one_of("support_grouping", grouping, GROUPINGS)
    groups = by_class(labels)
    if grouping == "position":
        if len(support) % len(groups):
            what = f"{len(support)} support clips cannot be cut into {len(groups)} groups of equal length"
            raise DataError(what, hint="give every class the same number of shots, or take support_grouping = label")
        prototypes = support.unflatten(0, (len(groups), -1)).mean(1)
    else:
        prototypes = torch.stack([support[group].mean(0) for group in groups])
    way, frames = prototypes.shape[:2]
    others = torch.tensor([[m for m in range(way) if m != i] for i in range(way)], device=support.device)
    return -(prototypes[:, None] - prototypes[others]).square().sum((-2, -1)) / frames
