"""A trained network of detection as an artifact (:mod:`systems.gkd.trained`).

``model.json`` says how to build the network, what it sees of a video, its classes, and under which switches it was trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cache.stage import Context
from models.training import artifact
from models.training.result import Result
from systems.gkd import trained
from systems.gkd.cvae import CVAE
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.proposals import priors_of
from systems.gkd.detection.published import cvae_for
from systems.gkd.detection.pyramid import Detections
from systems.gkd.detection.shape import Shape


class Network(trained.Trained[Detector]):
    """A detector in eval mode and its ``model.json``. Called with clips (B, C, T, S, S), it gives what the head says of them."""

    @torch.inference_mode()
    def __call__(self, clips: Tensor) -> Detections:
        parameter = next(self.model.parameters())
        return self.model(clips.to(parameter.device), weighted=self.weighted)  # type: ignore[no-any-return]


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
    """Write the weights of a training."""
    trained.write(ctx, result, arguments_of(network), classes, weighted=weighted, **about)


def read(directory: Path, device: str = "cpu") -> Network:
    """The network of an artifact, frozen and in eval mode. Raises DataError if weights and description do not fit."""
    return Network(*artifact.read_network(directory, build, device))


def read_cvae(directory: Path, shape: Shape, device: str = "cpu") -> CVAE | None:
    """The CVAE of a teacher of such a shape; None if there is none."""
    return trained.read_cvae(directory, lambda: cvae_for(shape), device)
