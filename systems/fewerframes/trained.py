"""A trained network of this system as an artifact (:mod:`models.training.artifact`).

``model.json`` says how to build the network, what its input must look like (normalisation with its eigenvalues, view) and where it
came from: a network is never fed with another normalisation than it was trained with.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cache.stage import Context
from models.training import artifact
from models.training.result import Result
from systems.fewerframes.arithmetic import Normalisation
from systems.fewerframes.data import Batch, Partition, View
from systems.fewerframes.networks import build, respond
from systems.fewerframes.output import Output


@dataclass(frozen=True)
class Prepared:
    """Everything a training needs but the network: the data, the normalisation and the arguments of the network."""

    train: Partition
    held: Partition
    normalisation: Normalisation
    arguments: dict[str, Any]


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


def write_network(ctx: Context, prepared: Prepared, result: Result, **about: Any) -> None:
    """Write the kept weights, how to build and feed the network, and the curves; of several processes the first writes."""
    train, given = prepared.train, prepared.normalisation
    eigenvalues = given.eigenvalues.tolist() if given.name == "whitening" and given.eigenvalues is not None else None
    fed = {"normalisation": {"name": given.name, "eigenvalues": eigenvalues}, "view": dataclasses.asdict(train.view)}
    videos = {"train": len(train), "held out": len(prepared.held)}
    artifact.write_network(ctx.out, result, {**about, "seed": ctx.params.seed, "videos": videos, "arguments": prepared.arguments, **fed})


def read_network(directory: Path, device: str = "cpu") -> Network:
    """The network of an artifact, frozen and in eval mode. Raises DataError if weights and description do not fit."""
    model, about = artifact.read_network(directory, build, device)
    given = about["normalisation"]
    eigenvalues = None if given["eigenvalues"] is None else torch.tensor(given["eigenvalues"], dtype=torch.float32)
    return Network(model, Normalisation(given["name"], eigenvalues), View(**about["view"]), about)
