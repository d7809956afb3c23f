"""A trained network as an artifact: ``model.safetensors``, ``model.json`` (how to build it, where it came from), ``curves.jsonl``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors.torch import load_file, save_file
from torch import nn

from cache.errors import DataError
from cache.json_files import read_json, write_json, write_lines
from models.training import distributed
from models.training.result import Result
from models.training.unfilled import unfilled

Network = TypeVar("Network", bound=nn.Module)


def write_network(out: Path, result: Result, about: Mapping[str, Any]) -> None:
    """Write the kept weights, ``about`` and the curves; of several processes the first writes.

    ``about`` has the ``arguments`` that build the network. ``model.json`` says also which epoch was kept and why, and whether all that ran
    has a form that repeats its bits: only then another run ends in the same ones.
    """
    if distributed.rank() > 0:
        return
    save_file({name: tensor.contiguous() for name, tensor in result.weights.items()}, out / "model.safetensors")
    record: dict[str, Any] = {**about, "best_epoch": result.epoch, "selected_by": result.selected_by, "best_value": result.value}
    record |= {"deterministic": not result.unrepeatable, "operations_without_deterministic_form": sorted(result.unrepeatable)}
    write_json(out / "model.json", record)
    write_lines(out / "curves.jsonl", result.curves)


def read_network(directory: Path, build: Callable[..., Network], device: str = "cpu") -> tuple[Network, dict[str, Any]]:
    """The network of an artifact, frozen and in eval mode, and its ``model.json``; ``build`` makes one of the ``arguments`` in there.

    Draws no random number. Raises DataError if weights and description do not fit.
    """
    about: dict[str, Any] = read_json(directory / "model.json")
    with unfilled():
        model = build(**about["arguments"])
    try:
        model.load_state_dict(load_file(directory / "model.safetensors"), assign=True)
    except RuntimeError as error:
        raise DataError(f"{directory.name}: model.safetensors does not fit model.json: {error}", hint="train it again") from error
    return model.to(device).eval().requires_grad_(False), about
