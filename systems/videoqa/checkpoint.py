"""A trained network as an artifact: ``model.safetensors``, ``model.json``, ``curves.jsonl``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save

from cache.errors import DataError
from models.training.loop import Result
from systems.videoqa.model import DualVGR


def write_network(out: Path, arguments: dict[str, Any], result: Result, about: dict[str, Any]) -> None:
    """Write the best weights, how to build the network, and the curves."""
    (out / "model.safetensors").write_bytes(save({name: tensor.contiguous() for name, tensor in result.best.items()}))
    record = {**about, "arguments": arguments, "best_epoch": result.best_epoch, "best_val_accuracy": result.best_accuracy}
    (out / "model.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    lines = (json.dumps(record, sort_keys=True) + "\n" for record in result.curves)
    (out / "curves.jsonl").write_text("".join(lines), encoding="utf-8")


def read_network(directory: Path, device: str = "cpu") -> tuple[DualVGR, dict[str, Any]]:
    """The network of an artifact, frozen and in eval mode, and its ``model.json``. Raises DataError if the two do not fit."""
    about: dict[str, Any] = json.loads((directory / "model.json").read_text(encoding="utf-8"))
    model = DualVGR(**about["arguments"])
    try:
        model.load_state_dict(load_file(directory / "model.safetensors"))
    except RuntimeError as error:
        raise DataError(f"{directory.name}: model.safetensors does not fit model.json: {error}", hint="train it again") from error
    return model.to(device).eval().requires_grad_(False), about
