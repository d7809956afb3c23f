"""Which weights a teacher starts from: those of I3D by their name, or of a small one that are shipped. No torch: parameters read it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from models.backbones.registry import Backbone, find
from models.weights import WEIGHTS, Weights, of_backbone

#: what the shipped weights are called, and the width of the network that they are of
SHIPPED, SMALL = "small_i3d.world", 0.125


class _Teacher(Protocol):
    @property
    def modality(self) -> str: ...

    @property
    def weights(self) -> str: ...

    @property
    def checkpoint(self) -> str: ...


def network(teacher: _Teacher) -> Backbone:
    """The registry's entry of I3D; the shipped weights are those of a small one that sees RGB."""
    return find("i3d_flow" if teacher.modality == "flow" else "small_i3d" if teacher.weights == "world" else "i3d")


def published(teacher: _Teacher) -> list[Weights]:
    """The known weights of that network."""
    return of_backbone(network(teacher).name)


def named_weights(teacher: _Teacher) -> str:
    """The short name of the weights, "" of a checkpoint, which has them all."""
    return "" if teacher.checkpoint else teacher.weights


def shipped(teacher: _Teacher) -> tuple[Path, ...]:
    """The file of its weights, if they are shipped."""
    known = WEIGHTS.get(f"{network(teacher).name}.{named_weights(teacher)}")
    return (known.path,) if known is not None and known.shipped else ()
