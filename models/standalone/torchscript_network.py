"""A network of a TorchScript file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def network(folder: Path) -> tuple[dict[str, Any], Callable[..., Any]]:
    """What model.json says, and the network: arrays by name of input to arrays by name of output."""
    about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    module = torch.jit.load(str(folder / about["file"]))
    inputs, names = [one["name"] for one in about["inputs"]], [one["name"] for one in about["outputs"]]

    def run(**feed: Any) -> dict[str, Any]:
        with torch.no_grad():
            return dict(zip(names, (one.numpy() for one in module(*(torch.from_numpy(feed[name]) for name in inputs)))))

    return about, run
