"""The networks of this system by name, built from plain arguments that stand in an artifact beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from systems.fewerframes.arithmetic import Normalisation
from systems.fewerframes.classifiers import penalty
from systems.fewerframes.data import Batch
from systems.fewerframes.hlstm import HLSTM
from systems.fewerframes.mixture import MixNeXtVLAD, MixtureOutput
from systems.fewerframes.netvlad import NetVLAD
from systems.fewerframes.nextvlad import NeXtVLAD
from systems.fewerframes.output import Output

BUILDERS: dict[str, type[nn.Module]] = {"nextvlad": NeXtVLAD, "nextvlad-mix": MixNeXtVLAD, "netvlad": NetVLAD, "hlstm": HLSTM}


def arguments(params: Any, classes: int, feature_sizes: Sequence[int]) -> dict[str, Any]:
    """What builds the network of a parameter record; plain values only."""
    classifier = {"classifier": params.classifier, "experts": params.experts}
    if params.network == "hlstm":
        own: dict[str, Any] = {"width": sum(feature_sizes), "cells": params.cells, "blocks": params.blocks, **classifier}
    elif params.network == "netvlad":
        own = {"feature_sizes": list(feature_sizes), "clusters": params.clusters, "hidden": params.hidden, **classifier}
    else:
        names = ("groups", "clusters", "hidden", "expansion", "gating_reduction", "drop_rate")
        own = {"feature_sizes": list(feature_sizes), **{name: getattr(params, name) for name in names}, **classifier}
        if params.network == "nextvlad-mix":
            own["branches"] = params.branches
    return {"network": params.network, "classes": classes, **own}


def build(network: str, **rest: Any) -> nn.Module:
    """A fresh network from :func:`arguments`."""
    return BUILDERS[network](**{name: tuple(value) if isinstance(value, list) else value for name, value in rest.items()})


def respond(model: nn.Module, normalisation: Normalisation, batch: Batch) -> tuple[Output, MixtureOutput | None]:
    """Normalise a batch and run a network on it: its output, and of a mixture also the branches.

    NeXtVLAD is fed without the padding, which changes nothing but the time.
    """
    if isinstance(model, NeXtVLAD):
        return model.forward_packed(normalisation.packed_input(batch.codes, batch.present)), None
    out = model(normalisation.network_input(batch.codes, batch.present), batch.present)
    return (out.mixed, out) if isinstance(out, MixtureOutput) else (out, None)


def classifier_penalty(model: nn.Module, weight: float) -> Tensor:
    """l2 of the classifier, of every branch of a mixture."""
    if weight == 0:
        return torch.zeros(())
    if isinstance(model, MixNeXtVLAD):
        return torch.stack([penalty(model.get_submodule(name), weight) for name in model.branches]).sum()
    return penalty(model.classifier if isinstance(model, HLSTM) else model, weight)
