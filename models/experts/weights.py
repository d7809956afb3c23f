"""Weights of experts: a table as that of the backbones (:mod:`models.weights`), apart from it so that an edit here is no business there."""

from __future__ import annotations

from pathlib import Path

from cache.errors import ConfigError, nearest
from models.weights import Weights

SHIPPED = Path(__file__).parent / "shipped"

_ALL: tuple[Weights, ...] = ()
#: ``<expert>.<short name>`` -> its entry; ``backbone`` of an entry is the expert's name, or the detector's.
WEIGHTS: dict[str, Weights] = {entry.name: entry for entry in _ALL}


def of_expert(name: str) -> list[Weights]:
    """The known weights of an expert, or of a detector."""
    return [entry for entry in WEIGHTS.values() if entry.backbone == name]


def find(expert: str, short: str) -> Weights:
    """The entry ``<expert>.<short>``. Raises ConfigError naming the nearest."""
    entry = WEIGHTS.get(f"{expert}.{short}")
    if entry is None:
        known = [other.name.partition(".")[2] for other in of_expert(expert)]
        raise ConfigError(f"expert {expert!r} has no weights named {short!r}", hint=nearest(short, [*known, "file", "random"]))
    return entry
