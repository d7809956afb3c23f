"""A network of an ONNX file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnxruntime


def network(folder: Path) -> tuple[dict[str, Any], Callable[..., Any]]:
    """What model.json says, and the network: arrays by name of input to arrays by name of output."""
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(folder / about["file"]), providers=["CPUExecutionProvider"])
    names = [one["name"] for one in about["outputs"]]
    return about, lambda **feed: dict(zip(names, session.run(names, feed)))
