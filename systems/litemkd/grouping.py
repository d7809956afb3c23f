"""Support clips by class."""

from __future__ import annotations

import torch
from torch import Tensor

from cache.errors import DataError


def by_class(labels: Tensor, way: int | None = None) -> list[Tensor]:
    """Indices of the support clips of every class, in the order of the classes 0..way-1 (default: as many as there are labels).

    ``labels`` are (Ns,), floating point as in the original or integers. Raises DataError if a class has no clip.
    """
    labels = labels.long()
    way = int(labels.max()) + 1 if way is None else way
    groups = [torch.nonzero(labels == label).flatten() for label in range(way)]
    empty = [label for label, group in enumerate(groups) if not len(group)]
    if empty:
        raise DataError(f"the support set has no clip of class {empty[0]}, of {way} classes", hint="labels are 0..way-1")
    return groups
