"""Parameters of this system that cannot go together, said before anything runs and not after hours of training a teacher."""

from __future__ import annotations

from collections.abc import Mapping

from cache.stage import Node
from systems.gkd.detection import possible as detection
from systems.gkd.recognition import possible as recognition


def check(nodes: Mapping[str, Node]) -> None:
    """Raise ConfigError for parameters that no training can have together, with the key to change."""
    if any(node.stage.entry.startswith("systems.gkd.recognition.") for node in nodes.values()):
        recognition.check(nodes)
    if any(node.stage.entry.startswith("systems.gkd.detection.") for node in nodes.values()):
        detection.check(nodes)
