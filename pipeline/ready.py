"""What stages need beside their inputs: said before the videos are decoded, not hours later."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cache.errors import ConfigError
from cache.stage import Node
from pipeline.device import require_device
from pipeline.judge import FRESH, Judge


def require_files(judge: Judge, names: Iterable[str]) -> None:
    """Raise an error of ours for a device that is not here, or the first node that would run and names a file, or weights, that are not."""
    require_device(judge.device)
    for name in names:
        node = judge.graph.nodes[name]
        if node.stage.files and judge.state(name).status != FRESH:
            judge.files(node)
            found = missing_weights(node)
            if found is not None:
                raise ConfigError(found[0], hint=found[1])


def missing_weights(node: Node) -> tuple[str, str] | None:
    """What to say and to type if the weights of an extraction are neither shipped nor imported, and no file of them is named."""
    params: Any = node.params
    file = getattr(params, "weights_file", None)
    if file is None or params.weights == "random" or (file and params.weights != "world"):
        return None
    from models import weights as table

    setting = f"--set {node.name}.weights_file=PATH"
    if params.weights == "file":
        return "weights=file names no file", setting
    try:
        known = table.find(params.network.name, params.weights)
    except ConfigError as error:
        return error.message, f"{error.hint}   (weights of your own: kdpipe weights import FILE --as {params.weights})"
    if known.shipped:
        return None
    hint = f"fetch {known.file} from {known.source}, then: kdpipe weights import {known.file}   (or {setting})"
    return f"{known.name} is not shipped, and was not imported: {node.name} needs it", hint
