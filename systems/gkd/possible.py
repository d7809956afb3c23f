"""Parameters of this system that cannot go together, said before anything runs and not after hours of training a teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cache.stage import Node
from systems.gkd.detection import possible as detection
from systems.gkd.recognition import possible as recognition


def check(nodes: Mapping[str, Node]) -> None:
    """Raise ConfigError for parameters that no training can have together, with the key to change."""
    for task in _tasks(nodes):
        task.check(nodes)


def check_index(nodes: Mapping[str, Node], index: Path) -> None:
    """Raise an error of ours for parameters that the videos of the ``index`` do not allow."""
    for task in _tasks(nodes):
        task.check_index(nodes, index)


def _tasks(nodes: Mapping[str, Node]) -> Iterator[Any]:
    """The modules of the tasks that there are nodes of."""
    for name, task in (("recognition", recognition), ("detection", detection)):
        if any(node.stage.entry.startswith(f"systems.gkd.{name}.") for node in nodes.values()):
            yield task
