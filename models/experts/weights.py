"""Weights of experts: a table as that of the backbones (:mod:`models.weights`), apart from it so that an edit here is no business there."""

from __future__ import annotations

from models.weights import Weights

#: where shipped ones lie in ``models/``
FOLDER = "experts/shipped"

_ALL: tuple[Weights, ...] = ()
#: ``<expert>.<short name>`` -> its entry; ``backbone`` of an entry is the expert's name, or the detector's.
WEIGHTS: dict[str, Weights] = {entry.name: entry for entry in _ALL}


def of_expert(name: str) -> list[Weights]:
    """The known weights of an expert, or of a detector."""
    return [entry for entry in WEIGHTS.values() if entry.backbone == name]
