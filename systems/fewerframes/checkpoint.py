"""A trained network as an artifact: ``model.safetensors``, ``model.json``, ``curves.jsonl``.

``model.json`` says how to build the network, what its input must look like (normalisation with its eigenvalues, view) and where it
came from: a network is never fed with another normalisation than it was trained with.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from cache.errors import DataError
from models.training import distributed
from models.training.loop import Result
from systems.fewerframes.arithmetic import Normalisation
from systems.fewerframes.data import Batch, View
from systems.fewerframes.networks import build, respond
from systems.fewerframes.output import Output


@dataclass(frozen=True)
class Network:
    """A network in eval mode, what it is fed with, and its ``model.json``."""

    model: nn.Module
    normalisation: Normalisation
    view: View
    about: dict[str, Any]

    @torch.no_grad()
    def predict(self, batch: Batch) -> Output:
        """Output of a batch that was read through this network's view."""
        return respond(self.model, self.normalisation, batch)[0]


def write_network(
    out: Path, arguments: dict[str, Any], normalisation: Normalisation, view: View, result: Result, about: dict[str, Any]
) -> None:
    """Write the best weights, how to build and feed the network, and the curves; of several processes the first writes."""
    if distributed.rank() > 0:
        return
    (out / "model.safetensors").write_bytes(save({name: tensor.contiguous() for name, tensor in result.best.items()}))
    eigenvalues = None if normalisation.name != "whitening" else _plain(normalisation.eigenvalues)
    record = {
        **about,
        "arguments": arguments,
        "normalisation": {"name": normalisation.name, "eigenvalues": eigenvalues},
        "view": dataclasses.asdict(view),
        "best_epoch": result.best_epoch,
        "best_val_accuracy": result.best_accuracy,
    }
    (out / "model.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    lines = (json.dumps(record, sort_keys=True) + "\n" for record in result.curves)
    (out / "curves.jsonl").write_text("".join(lines), encoding="utf-8")


def read_network(directory: Path, device: str = "cpu") -> Network:
    """The network of an artifact, frozen and in eval mode. Raises DataError if weights and description do not fit."""
    about: dict[str, Any] = json.loads((directory / "model.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        model = build(about["arguments"])
    try:
        model.load_state_dict(load_file(directory / "model.safetensors"), assign=True)
    except RuntimeError as error:
        raise DataError(f"{directory.name}: model.safetensors does not fit model.json: {error}", hint="train it again") from error
    given = about["normalisation"]
    eigenvalues = None if given["eigenvalues"] is None else torch.tensor(given["eigenvalues"], dtype=torch.float32)
    normalisation = Normalisation(given["name"], eigenvalues)
    return Network(model.to(device).eval().requires_grad_(False), normalisation, View(**about["view"]), about)


def _plain(values: Tensor | None) -> list[float] | None:
    return None if values is None else values.tolist()
