"""A trained DualVGR, read from its artifact (:mod:`models.training.artifact`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.training import artifact
from systems.videoqa.model import DualVGR


def read_network(directory: Path, device: str = "cpu") -> tuple[DualVGR, dict[str, Any]]:
    """The network of an artifact, frozen and in eval mode, and its ``model.json``. Raises DataError if the two do not fit."""
    return artifact.read_network(directory, lambda arguments: DualVGR(**arguments), device)
