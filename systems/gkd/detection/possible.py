"""Parameters of detection that cannot go together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cache.errors import ConfigError
from cache.stage import Node
from systems.gkd.detection.splits import videos_of
from systems.gkd.fitting import check_student, check_weights

#: what decides the shapes of the maps, which a CVAE and an attention are distilled over
SHAPE = ("frames", "size", "width", "modality")


def check(nodes: Mapping[str, Node]) -> None:
    """Raise ConfigError for what no training can have together, with the key to change."""
    for node in nodes.values():
        section = node.name.rpartition(".s")[0]
        if node.stage.name in ("teacher", "student"):
            _check_sizes(section, node, nodes)
            check_weights(section, node.params)
        if node.stage.name == "student":
            _check_student(section, node, nodes)


def check_index(nodes: Mapping[str, Node], index: Path) -> None:
    """Raise ConfigError for a split that the index does not have."""
    splits: dict[str, None] = {}
    for node in nodes.values():
        params: Any = node.params
        if node.stage.name == "evaluate" or (node.stage.name in ("teacher", "student") and not params.checkpoint):
            splits[params.split] = None
    for split in splits:
        videos_of(index, split)


def _check_sizes(section: str, node: Node, nodes: Mapping[str, Node]) -> None:
    params: Any = node.params
    if params.frames % 8:
        raise ConfigError(
            f"{section}: windows of {params.frames} frames do not divide by 8", hint=f"--set {section}.frames={params.frames // 8 * 8}"
        )
    most = (params.frames // 4 - 1).bit_length() + 1
    if params.levels > most:
        what = f"{section}: windows of {params.frames} frames have no {params.levels} levels"
        raise ConfigError(what, hint=f"--set {section}.levels={most}, or fewer")
    arrays: Any = getattr(nodes.get(node.reads.get("arrays", "")), "params", None)
    if arrays is not None and arrays.source == "frames" and params.size > arrays.size:
        what = f"{section}: crops of {params.size} pixels do not fit into arrays of {arrays.size}"
        raise ConfigError(what, hint=f"--set arrays.size={params.size}, or more")


def _check_student(section: str, node: Node, nodes: Mapping[str, Node]) -> None:
    params: Any = node.params
    if params.checkpoint or "teacher" not in node.reads:
        return
    if params.weighted is False:
        raise ConfigError(f"{section}: it has no attention to learn with", hint=f"leave {section}.weighted out")
    check_student(section, node, nodes, SHAPE)
