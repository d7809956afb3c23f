"""What trained networks of both halves have in common as artifacts: a teacher's CVAE beside its network, and what ``model.json`` says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cache.errors import DataError
from cache.stage import Context
from models.backbones.published import check_fit
from models.training import artifact
from models.training.result import Result
from systems.gkd.compared import same_classes
from systems.gkd.cvae import CVAE

#: the weights of a teacher's CVAE, beside those of its network
CVAE_FILE = "cvae.safetensors"
#: how their names begin in the weights of a training
NETWORK, GENERATOR = "network.", "cvae."

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Trained(Generic[Model]):
    """A network in eval mode and its ``model.json``."""

    model: Model
    about: Mapping[str, Any]

    @property
    def modality(self) -> str:
        """``rgb`` or ``flow``."""
        return str(self.about["modality"])

    @property
    def weighted(self) -> bool:
        """Whether its maps are weighted by its attention."""
        return bool(self.about["weighted"])

    def must_know(self, classes: Sequence[str], name: str, where: str) -> None:
        """Raise DataError if its classes are not those of ``where``; a published file says only how many it has."""
        known = self.about["classes"]
        if not same_classes(known, classes):
            raise DataError(f"{name} tells {len(known)} classes apart, and they are not the {len(classes)} of {where}")


def write(ctx: Context, result: Result, arguments: Mapping[str, Any], classes: Sequence[str | int], **about: Any) -> None:
    """Write the weights of a training: those of the network, and where there is one to be kept those of the CVAE."""
    weights = {name.removeprefix(NETWORK): value for name, value in result.weights.items() if name.startswith(NETWORK)}
    made = {name.removeprefix(GENERATOR): value.contiguous() for name, value in result.weights.items() if name.startswith(GENERATOR)}
    if made:
        save_file(made, ctx.out / CVAE_FILE)
    own = Result(weights, result.epoch, result.curves, result.selected_by, result.unrepeatable)
    record = {"modality": ctx.params.modality, "seed": ctx.params.seed, "classes": list(classes)}
    artifact.write_network(ctx.out, own, {**record, **about, "arguments": dict(arguments)})


def read_cvae(directory: Path, build: Callable[[], CVAE], device: str = "cpu") -> CVAE | None:
    """The CVAE of a teacher, frozen and in eval mode; None if there is none. Raises DataError if it does not fit."""
    path = directory / CVAE_FILE
    if not path.is_file():
        return None
    with torch.device("meta"):
        found = build()
    state = load_file(path)
    check_fit(found, state, CVAE_FILE)
    found.load_state_dict(state, assign=True)
    return found.to(device).eval().requires_grad_(False)
