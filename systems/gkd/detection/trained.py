"""A trained network of detection as an artifact (:mod:`models.training.artifact`), and a teacher's CVAE beside it.

``model.json`` says how to build the network, what it sees of a video, its classes, and under which switches it was trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.proposals import priors_of
from systems.gkd.detection.published import cvae_for
from systems.gkd.detection.pyramid import Detections
from systems.gkd.detection.shape import Shape

#: the weights of a teacher's CVAE, beside those of its network
CVAE_FILE = "cvae.safetensors"
#: how their names begin in the weights of a training
NETWORK, GENERATOR = "network.", "cvae."


@dataclass(frozen=True)
class Network:
    """A network in eval mode and its ``model.json``. Called with clips (B, C, T, S, S), it gives what the head says of them."""

    model: Detector
    about: Mapping[str, Any]

    @property
    def modality(self) -> str:
        """``rgb`` or ``flow``."""
        return str(self.about["modality"])

    @property
    def weighted(self) -> bool:
        """Whether its maps are weighted by its attention."""
        return bool(self.about["weighted"])

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Detections:
        parameter = next(self.model.parameters())
        return self.model(clips.to(parameter.device), weighted=self.weighted)  # type: ignore[no-any-return]

    def must_know(self, classes: Sequence[str], name: str) -> None:
        """Raise DataError if its classes are others; a published file says only how many it has."""
        known = self.about["classes"]
        unnamed = all(isinstance(one, int) for one in known)
        if len(known) != len(classes) or not (unnamed or tuple(known) == tuple(classes)):
            raise DataError(f"{name} knows {len(known)} classes, and they are not the {len(classes)} of the dataset")


def shape_of(params: Any, n_classes: int) -> Shape:
    """The sizes of a network of a stage's parameters, for classes without the background."""
    channels = 3 if params.modality == "rgb" else 2
    return Shape(n_classes + 1, channels, params.frames, params.size, params.levels, params.width)


def arguments_of(network: Detector) -> dict[str, Any]:
    """What :func:`build` makes it of again."""
    return {
        "kind": network.kind,
        "shape": asdict(network.shape),
        "attention": network.has_attention,
        "weighting": network.weighting,
    }


def build(shape: Mapping[str, Any], **options: Any) -> Detector:
    """A network of what stands in ``model.json``; built without memory (``meta``), it has its priors all the same: they are in no state."""
    made = Detector(shape=Shape(**shape), **options)
    head = made.coarse_pyramid_detection
    with torch.device("cpu"):
        head.priors = priors_of(head.lengths)
    return made


def write(ctx: Context, result: Result, network: Detector, classes: Sequence[str | int], *, weighted: bool, **about: Any) -> None:
    """Write the weights of a training: those of the network, and where there is one to be kept those of the CVAE."""
    weights = {name.removeprefix(NETWORK): value for name, value in result.weights.items() if name.startswith(NETWORK)}
    made = {name.removeprefix(GENERATOR): value.contiguous() for name, value in result.weights.items() if name.startswith(GENERATOR)}
    if made:
        save_file(made, ctx.out / CVAE_FILE)
    own = Result(weights, result.epoch, result.curves, result.selected_by, result.unrepeatable)
    record = {"modality": ctx.params.modality, "seed": ctx.params.seed, "classes": list(classes), "weighted": weighted}
    artifact.write_network(ctx.out, own, {**record, **about, "arguments": arguments_of(network)})


def read(directory: Path, device: str = "cpu") -> Network:
    """The network of an artifact, frozen and in eval mode. Raises DataError if weights and description do not fit."""
    return Network(*artifact.read_network(directory, build, device))


def read_cvae(directory: Path, shape: Shape, device: str = "cpu") -> CVAE | None:
    """The CVAE of a teacher, frozen and in eval mode; None if there is none. Raises DataError if it does not fit."""
    path = directory / CVAE_FILE
    if not path.is_file():
        return None
    with torch.device("meta"):
        found = cvae_for(shape)
    state = load_file(path)
    check_fit(found, state, CVAE_FILE)
    found.load_state_dict(state, assign=True)
    return found.to(device).eval().requires_grad_(False)
