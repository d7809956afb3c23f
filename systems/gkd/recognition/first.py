"""Networks as they are before a training, and networks that are taken from published files as they are."""

from __future__ import annotations

from collections.abc import Mapping
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
from systems.gkd.recognition import published
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.trained import write
from systems.gkd.recognition.training import section_of
from systems.gkd.trained import GENERATOR, NETWORK

CHANNELS = {"rgb": 3, "flow": 2}


def arguments(params: Any, kind: str, n_classes: int) -> dict[str, Any]:
    """What builds the network of a stage's parameters."""
    sizes = {name: getattr(params, name) for name in ("frames", "size", "width", "dropout")}
    return {"kind": kind, "n_classes": n_classes, "n_input_channels": CHANNELS[params.modality], **sizes}


def with_first_weights(ctx: Context, net: Recogniser) -> Recogniser:
    """A teacher with the Kinetics weights that its parameters name. Raises ConfigError or DataError with what to type."""
    params = ctx.params
    if params.weights == "random":
        return net
    path = locate(params.network.name, params.weights, ctx.files.get("weights_file"), params.published, section_of(ctx))
    return published.load_kinetics(net, read_state(path), path.name)


def with_shipped_weights(weights: str, net: Recogniser) -> Recogniser:
    """A student with the weights of a small I3D, if ``weights`` is ``world``; its file is in the key."""
    if weights == "random":
        return net
    return published.load_kinetics(net, *flattened.shipped(net.backbone.net))


def take(ctx: Context, kind: str, weighted: bool, cvae: Path | None = None) -> None:
    """Write the network of a published checkpoint as it is, strictly; its sha256 is in the key and in ``model.json``.

    A file with the backbone alone, or one of flow, whose attention nothing uses, is read by position, as published.
    """
    path, params = ctx.files["checkpoint"], ctx.params
    state = read_state(path)
    whole = "Att_Head_5c.3.weight" in state
    if weighted and not whole:
        raise DataError(
            f"{path.name} has no attention, and {section_of(ctx)} weights its maps by it", hint=f"--set {section_of(ctx)}.weighted=false"
        )
    found = published.options(state) if whole else {}
    classes = found.get("n_classes") or _classes(path, state)
    own = arguments(params, kind, classes)
    _must_agree(ctx, own, found)
    net = Recogniser(**own)
    published.load(net, state, path.name) if whole else published.load_backbone(net, state, path.name)
    weights = _named(NETWORK, net)
    if cvae is not None:
        made = published.load_cvae(published.cvae_branch(net), read_state(cvae), cvae.name)
        weights |= _named(GENERATOR, made)
    from_files = {"checkpoint": {"file": path.name, "sha256": digest_file(path)}}
    write(ctx, Result(weights, 0, []), own, range(classes), weighted=weighted, weights=f"checkpoint {path.name}", **from_files)


def _classes(path: Path, state: Mapping[str, Tensor]) -> int:
    """How many classes a file of a backbone knows: its first entry is the classifier, whatever it is called."""
    first = next(iter(state.values()))
    if first.ndim != 5:
        raise DataError(f"{path.name} does not begin with a classifier", hint="kdpipe weights check FILE says what a file holds")
    return len(first)


def _must_agree(ctx: Context, own: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Raise ConfigError if the file is of another network than the parameters say, whose code and look are in the key.

    Clips of several lengths and sizes have a last map of one shape.
    """
    for name, value in found.items():
        given = own[name]
        same = value - {"frames": 8, "size": 32}[name] < given <= value if name in ("frames", "size") else given == value
        if not same:
            section = section_of(ctx)
            what = f"{ctx.files['checkpoint'].name} is of a network with {name} = {value}, and {section} has {given}"
            raise ConfigError(
                what, hint=f"--set {section}.{name}={value}" if name in ("frames", "size", "width") else "is it the right file?"
            )


def _named(beginning: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{beginning}{name}": value.detach().cpu() for name, value in module.state_dict().items()}
