"""Fine-tuning with learning rates that fall from the head to the input (spec 10.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from torch import nn

INPUT = ("cls_token", "enc_pos_embed", "cuboid_embed.", "patch_embed.")
BLOCK = re.compile(r"encoder\.blocks\.(\d+)\.")
#: never decayed, though they have more than one dimension
STILL = ("cls_token", "enc_pos_embed")


class Scaled(NamedTuple):
    """Parameters whose learning rate is ``scale`` times the schedule's."""

    scale: float
    weight_decay: float
    names: tuple[str, ...]


def layer(name: str, depth: int) -> int:
    """0 for what makes the tokens, i + 1 for block i, depth + 1 for all that follows; names of a ``Finetuned``."""
    own = name.removeprefix("backbone.")
    found = BLOCK.match(own)
    if found:
        return int(found[1]) + 1
    return 0 if own.startswith(INPUT) else depth + 1


def scaled(parameters: Iterable[tuple[str, nn.Parameter]], depth: int, decay: float, weight_decay: float = 0.05) -> list[Scaled]:
    """Groups of equal scale ``decay`` ** (depth + 1 - layer) and equal weight decay, which vectors, CLS and positions do not have."""
    found: dict[tuple[int, float], list[str]] = {}
    for name, parameter in parameters:
        if parameter.requires_grad:
            still = parameter.ndim == 1 or name.removeprefix("backbone.") in STILL
            found.setdefault((layer(name, depth), 0.0 if still else weight_decay), []).append(name)
    return [Scaled(decay ** (depth + 1 - number), own, tuple(names)) for (number, own), names in found.items()]
