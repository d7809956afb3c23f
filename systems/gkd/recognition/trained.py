"""A trained network of recognition as an artifact (:mod:`systems.gkd.trained`).

``model.json`` says how to build the network, what it sees of a clip, its classes, and under which switches it was trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cache.stage import Context
from models.training import artifact
from models.training.result import Result
from systems.gkd import trained
from systems.gkd.cvae import CVAE
from systems.gkd.recognition import published
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.seen import Look


class Network(trained.Trained[Recogniser]):
    """A recogniser in eval mode and its ``model.json``."""

    @property
    def look(self) -> Look:
        """What it sees of a clip."""
        return Look.of_trained(self.about)

    @torch.inference_mode()
    def logits(self, clips: Tensor) -> Tensor:
        """Logits (B, K, T) of clips (B, C, T, S, S), each for itself."""
        return self.model(clips, weighted=self.weighted)


def write(ctx: Context, result: Result, arguments: Mapping[str, Any], classes: Sequence[str | int], **about: Any) -> None:
    """Write the weights of a training, and what the network sees."""
    trained.write(ctx, result, arguments, classes, look=Look.of(ctx.params)._asdict(), **about)


def read(directory: Path, device: str = "cpu") -> Network:
    """The network of an artifact, frozen and in eval mode. Raises DataError if weights and description do not fit."""
    return Network(*artifact.read_network(directory, Recogniser, device))


def read_cvae(directory: Path, net: Recogniser, device: str = "cpu") -> CVAE | None:
    """The CVAE of a teacher of such a network; None if there is none."""
    return trained.read_cvae(directory, lambda: published.cvae_branch(net), device)
