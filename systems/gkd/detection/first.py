"""Networks as they are before a training, and networks that are taken from published files as they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from cache.digest import digest_file
from cache.errors import ConfigError, DataError
from cache.stage import Context
from models.backbones.published import read_state
from models.training.result import Result
from models.weight_files import locate
from systems.gkd import flattened
from systems.gkd.detection import published
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.shape import Shape
from systems.gkd.detection.trained import shape_of, write
from systems.gkd.detection.training import section_of
from systems.gkd.running_statistics import follow
from systems.gkd.trained import GENERATOR, NETWORK

#: size of a network -> the parameter that decides it, "" if the data does
DECIDED = {"kind": "", "channels": "modality", "levels": "levels", "width": "width", "size_4f": "size", "steps_4f": "frames"}


def network_of(params: Any, kind: str, n_classes: int, *, attention: bool) -> Detector:
    """A network of a stage's parameters with random weights."""
    net = Detector(
        kind,
        shape_of(params, n_classes),
        attention=attention,
        pooling_gradient=params.switch("pooling_gradient"),
        weighting=params.switch("weighting"),
        freeze_bn=params.freeze_bn,
    )
    follow(net.backbone, params.bn_momentum)
    return net


def with_first_weights(ctx: Context, net: Detector) -> Detector:
    """A teacher with the weights that its parameters name: of its I3D, or a file of a whole AFSD, whose attention may be missing.

    Raises ConfigError or DataError with what to type.
    """
    params = ctx.params
    if params.weights == "random":
        return net
    path = locate(params.network.name, params.weights, ctx.files.get("weights_file"), params.published, section_of(ctx))
    state = read_state(path)
    if any(name.startswith(published.HEAD) for name in published.stripped(state)):
        return published.load(net, state, path.name, attention="kept")
    return published.load_kinetics(net, state, path.name)


def with_shipped_weights(weights: str, net: Detector) -> Detector:
    """A student whose backbone has the weights of a small I3D, if ``weights`` is ``world``; their file is in the key."""
    if weights == "random":
        return net
    return published.load_kinetics(net, *flattened.shipped(net.backbone.net))


def take(ctx: Context, kind: str, cvae: Path | None = None) -> None:
    """Write the network of a published checkpoint as it is, strictly; its sha256 is in the key and in ``model.json``."""
    path, params = ctx.files["checkpoint"], ctx.params
    state = read_state(path)
    found = published.options(state)
    attention = found["attention"]
    weighted = (attention and params.modality == "rgb") if params.weighted is None else params.weighted
    if weighted and not attention:
        what = f"{path.name} has no attention, and {section_of(ctx)} weights its maps by it"
        raise DataError(what, hint=f"--set {section_of(ctx)}.weighted=false")
    n_classes = found["shape"].n_classes - 1
    net = Detector(kind, shape_of(params, n_classes), attention=attention, weighting=params.switch("weighting"))
    _must_agree(ctx, path.name, net, found["kind"], found["shape"])
    published.load(net, state, path.name)
    weights = _named(NETWORK, net)
    if cvae is not None:
        weights |= _named(GENERATOR, published.load_cvae(published.cvae_for(net.shape), read_state(cvae), cvae.name))
    from_files = {"checkpoint": {"file": path.name, "sha256": digest_file(path)}}
    write(ctx, Result(weights, 0, []), net, range(1, n_classes + 1), weighted=weighted, weights=f"checkpoint {path.name}", **from_files)


def _must_agree(ctx: Context, file: str, net: Detector, kind: str, shape: Shape) -> None:
    """Raise ConfigError if the file is of another network than the parameters say, whose code and look are in the key."""
    own = net.shape
    if not net.has_attention:
        shape = dataclasses.replace(shape, frames=own.frames)  # nothing in the file depends on it
    for name, parameter in DECIDED.items():
        theirs, given = (kind, net.kind) if name == "kind" else (getattr(shape, name), getattr(own, name))
        if theirs != given:
            section = section_of(ctx)
            advice = {"size": shape.crop, "frames": shape.frames}.get(parameter, theirs)
            hint = f"--set {section}.{parameter}={advice}" if parameter not in ("", "modality") else "is it the right file?"
            raise ConfigError(f"{file} is of a network with {name} = {theirs}, and {section} has {given}", hint=hint)


def _named(beginning: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{beginning}{name}": value.detach().cpu() for name, value in module.state_dict().items()}
