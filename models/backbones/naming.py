"""Checkpoints of published systems under our names: which entries of a file are the backbone, and what we call them.

A whole model's file holds its backbone under some prefix (``module.``, ``backbone._model.``, ``backbone.resnet.``), beside heads that
are none of ours. Lite-MKD keeps ResNet trunks as a sequence (``backbone.resnet.0`` is conv1, ``.4`` layer1) and MobileNets as one in a
sequence (``backbone.mobile.0.<i>``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from cache.errors import DataError
from models.backbones.published import State

#: An entry that every network of a naming has, and the pattern of all of its entries after the prefix.
ANCHORS: tuple[tuple[str, str, str], ...] = (
    ("I3D", "Conv3d_1a_7x7.conv3d.weight", r"(Conv3d|Mixed|logits)[\w]*\."),
    ("torchvision MobileNetV3", "features.0.0.weight", r"(features|classifier)\.\d+\."),
    ("3-D ResNet, factorised", "conv1_s.weight", r"(conv1_[st]|bn1_[st]|layer\d|fc)\."),
    ("ResNet", "layer1.0.conv1.weight", r"(conv1|bn1|layer\d|fc)\."),
    ("ResNet whose first stage is one block", "layer1.conv1.weight", r"(conv1|bn1|layer\d|fc)\."),
    ("Lite-MKD ResNet", "4.0.conv1.weight", r"[014567]\."),
    ("Lite-MKD MobileNetV3", "1.block.0.0.weight", r"\d+\.(\d+|block)\."),
)
_SEQUENCE = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}


@dataclass(frozen=True)
class Naming:
    """A backbone found in a file.

    name:   the naming. prefix: what stood before each of its names.
    state:  its entries under our names. rest: names of the entries that are no part of it.
    """

    name: str
    prefix: str
    state: State
    rest: tuple[str, ...]


def find_backbone(entries: Mapping[str, Tensor]) -> Naming:
    """The one backbone that ``entries`` hold. Raises DataError if there is none, or several."""
    for name, anchor, pattern in ANCHORS:
        prefixes = _prefixes(entries, anchor)
        if not prefixes:
            continue
        if len(prefixes) > 1:
            raise DataError(
                f"the file holds {len(prefixes)} backbones: under {', '.join(repr(p) for p in prefixes[:5])}",
                hint="save the state dict of one of them to a file of its own",
            )
        return _take(entries, name, prefixes[0], pattern)
    shown = ", ".join(list(entries)[:5])
    raise DataError(
        f"no backbone that kdpipe knows: {len(entries)} entries, beginning with {shown}",
        hint="known names: those of " + ", ".join(name for name, _, _ in ANCHORS),
    )


def _prefixes(names: Iterable[str], anchor: str) -> list[str]:
    """What stands before ``anchor``, where it begins a name or a part of one; blocks inside a network repeat names of its stem."""
    found = [name.removesuffix(anchor) for name in names if name.endswith(anchor)]
    whole = [prefix for prefix in found if prefix == "" or prefix.endswith(".")]
    return [prefix for prefix in whole if not any(prefix != other and prefix.startswith(other) for other in whole)]


def _take(entries: Mapping[str, Tensor], name: str, prefix: str, pattern: str) -> Naming:
    own = {key.removeprefix(prefix): value for key, value in entries.items() if key.startswith(prefix)}
    if prefix in ("", "module."):  # the whole file is the network: what does not belong is an error later, not a head left out
        return Naming(name, prefix, _renamed(own, name), tuple(key for key in entries if not key.startswith(prefix)))
    mine = {key: value for key, value in own.items() if re.match(pattern, key)}
    rest = tuple(key for key in entries if not key.startswith(prefix) or key.removeprefix(prefix) not in mine)
    return Naming(name, prefix, _renamed(mine, name), rest)


def _renamed(state: State, naming: str) -> State:
    if naming == "Lite-MKD ResNet":
        split = {key: key.partition(".") for key in state}
        return {f"{_SEQUENCE.get(head, head)}.{tail}": state[key] for key, (head, _, tail) in split.items()}
    if naming == "Lite-MKD MobileNetV3":
        return {f"features.{key}": value for key, value in state.items()}
    return state
