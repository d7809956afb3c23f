"""A trained network of recognition as an artifact (:mod:`models.training.artifact`), and a teacher's CVAE beside it.

``model.json`` says how to build the network, what it sees of a clip, its classes, and under which switches it was trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cache.errors import DataError
from cache.stage import Context
from models.backbones.published import check_fit
from models.training import artifact
from models.training.result import Result
from systems.gkd.cvae import CVAE
from systems.gkd.recognition import published
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.seen import Look
from systems.gkd.recognition.videos import Split

#: the weights of a teacher's CVAE, beside those of its network
CVAE_FILE = "cvae.safetensors"
#: how their names begin in the weights of a training
NETWORK, GENERATOR = "network.", "cvae."


@dataclass(frozen=True)
class Network:
    """A network in eval mode and its ``model.json``."""

    model: Recogniser
    about: Mapping[str, Any]

    @property
    def modality(self) -> str:
        """``rgb`` or ``flow``."""
        return str(self.about["modality"])

    @property
    def weighted(self) -> bool:
        """Whether its map is weighted by its attention."""
        return bool(self.about["weighted"])

    @property
    def look(self) -> Look:
        """What it sees of a clip."""
        return Look.of_trained(self.about)

    def must_know(self, split: Split, name: str) -> None:
        """Raise DataError if its classes are not those of a split; a published file says only how many it has."""
        known = self.about["classes"]
        unnamed = all(isinstance(one, int) for one in known)
        if len(known) != len(split.classes) or not (unnamed or tuple(known) == split.classes):
            raise DataError(f"{name} tells {len(known)} classes apart, and they are not the {len(split.classes)} of {split.name}")

    @torch.inference_mode()
    def logits(self, clips: Tensor) -> Tensor:
        """Logits (B, K, T) of clips (B, C, T, S, S), each for itself."""
        return self.model(clips, weighted=self.weighted)


def write(ctx: Context, result: Result, arguments: Mapping[str, Any], classes: Sequence[str | int], **about: Any) -> None:
    """Write the weights of a training: those of the network, and where there is one to be kept those of the CVAE."""
    weights = {name.removeprefix(NETWORK): value for name, value in result.weights.items() if name.startswith(NETWORK)}
    made = {name.removeprefix(GENERATOR): value.contiguous() for name, value in result.weights.items() if name.startswith(GENERATOR)}
    if made:
        save_file(made, ctx.out / CVAE_FILE)
    own = Result(weights, result.epoch, result.curves, result.selected_by, result.unrepeatable)
    record = {"modality": ctx.params.modality, "seed": ctx.params.seed, "classes": list(classes), "look": Look.of(ctx.params)._asdict()}
    artifact.write_network(ctx.out, own, {**record, **about, "arguments": dict(arguments)})


def read(directory: Path, device: str = "cpu") -> Network:
    """The network of an artifact, frozen and in eval mode. Raises DataError if weights and description do not fit."""
    return Network(*artifact.read_network(directory, Recogniser, device))


def read_cvae(directory: Path, net: Recogniser, device: str = "cpu") -> CVAE | None:
    """The CVAE of a teacher, frozen and in eval mode; None if there is none. Raises DataError if it does not fit."""
    path = directory / CVAE_FILE
    if not path.is_file():
        return None
    with torch.device("meta"):
        found = published.cvae_branch(net)
    state = load_file(path)
    check_fit(found, state, CVAE_FILE)
    found.load_state_dict(state, assign=True)
    return found.to(device).eval().requires_grad_(False)
