"""Parameters of recognition that cannot go together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cache.errors import ConfigError
from cache.stage import Node
from systems.gkd.fitting import check_student, check_weights
from systems.gkd.recognition.videos import listed

#: what decides the shape of the last map, which a CVAE and an attention are distilled over
SHAPE = ("frames", "size", "width")


def check(nodes: Mapping[str, Node]) -> None:
    """Raise ConfigError for what no training can have together, with the key to change."""
    for node in nodes.values():
        section = node.name.rpartition(".s")[0]
        if node.stage.name in ("teacher", "student"):
            _check_size(section, node.params)
            check_weights(section, node.params)
        if node.stage.name == "student":
            _check_student(section, node, nodes)


def check_index(nodes: Mapping[str, Node], index: Path) -> None:
    """Raise ConfigError for a fold that the index does not have, or where there are no two classes; DataError for a clip without one."""
    splits: dict[str, None] = {}
    for node in nodes.values():
        params: Any = node.params
        if node.stage.name == "evaluate":
            splits[f"{params.fold}/test"] = None
        elif node.stage.name in ("teacher", "student") and not params.checkpoint:
            splits[f"{params.fold}/train"] = None
    for split in splits:
        listed(index, split)


def _check_size(section: str, params: Any) -> None:
    if params.short and params.short < params.size:
        what = f"{section}: crops of {params.size} pixels do not fit into frames of a short side of {params.short}"
        raise ConfigError(what, hint=f"--set {section}.short={params.size}, or more")


def _check_student(section: str, node: Node, nodes: Mapping[str, Node]) -> None:
    params: Any = node.params
    if params.checkpoint or "teacher" not in node.reads:
        return
    if params.weighted is False and params.attention:
        raise ConfigError(f"{section}: nothing is weighted by the attention that it learns", hint=f"leave {section}.weighted out")
    check_student(section, node, nodes, SHAPE)
