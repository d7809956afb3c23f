"""The first weights of networks that see pictures, the data that they are trained on, and networks that are taken as they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from cache.digest import digest_file
from cache.errors import ConfigError
from cache.stage import Context
from models.backbones import registry
from models.backbones.published import load_into, read_raw, read_state
from models.training.lean import BACKBONES
from models.training.residual_passes import library
from models.training.result import Result
from models.weight_files import locate
from systems.litemkd import published
from systems.litemkd.clips import Clips
from systems.litemkd.episodes import Pool
from systems.litemkd.episodic import about, pools, section_of
from systems.litemkd.seen import Frozen, Look, Pictures
from systems.litemkd.trained import build, write
from systems.litemkd.trunk import make_lean
from systems.litemkd.videos import listed, note


def trunk_net(ctx: Context) -> Any:
    """The image network that gives a trunk its first weights; None: they are drawn. Raises ConfigError or DataError with what to type."""
    params = ctx.params
    if params.weights == "random":
        return None
    path = locate(params.backbone, params.weights, ctx.files.get("weights_file"), params.published, section_of(ctx))
    state = read_state(path)
    return load_into(registry.build(params.backbone, **registry.options_of(params.backbone, state)), state, path.name)


class Material:
    """The clips that a network is trained on, and the pools of their episodes. ``among``: videos that are in other inputs too."""

    def __init__(self, ctx: Context, among: Collection[str] | None = None) -> None:
        params = ctx.params
        self.look = look_of(params)
        self.clips = Clips(
            ctx.inputs["frames"], ctx.input_items["frames"], frames=params.frames, side=self.look.side, cache_mb=params.cache_mb
        )
        index = ctx.inputs["index"]
        train, val = listed(index, "train"), listed(index, "val") if params.select == "val" else []
        there = set(self.clips.ids) & set(self.clips.ids if among is None else among)
        note(ctx.ledger, [*train, *val], there, self.clips.short)
        self.pools: tuple[Pool, Pool | None] = pools(ctx, train, val, there)
        self.pictures = Pictures(self.clips, self.look)

    def frozen(self, ctx: Context, trunk: Any) -> Frozen:
        """What a trunk that does not change makes of all clips; ``trunk`` maps the network's input (N, T, 3, S, S) to (N, T, V)."""
        ids = [video.name for own in self.pools if own is not None for videos in own.videos for video in videos]
        views, seed = ctx.params.views, ctx.params.seed
        with torch.no_grad(), ctx.progress("frozen trunk", total=views * len(ids)) as bar:

            def made(lot: Sequence[str], number: int) -> Tensor:
                bar.step(len(lot))
                return cast(Tensor, trunk(self.look.input(self.pictures.fixed(lot, seed, number), ctx.device)).cpu())

            return Frozen(ctx.scratch / "frozen.npy", ids, views, made)

    def about(self, params: Any) -> dict[str, Any]:
        """What ``model.json`` says of pictures, weights and videos."""
        return {**seen(params), "weights": params.weights, "trunk": params.trunk, "videos": about(self.pools)}


def look_of(params: Any) -> Look:
    """What a network with these parameters sees of a clip."""
    return Look(params.image_size, params.frames, params.switch("normalise"))


def seen(params: Any) -> dict[str, Any]:
    """The same for ``model.json``."""
    return {"image_size": params.image_size}


def freeze(trunk: nn.Module) -> nn.Module:
    """A trunk in eval mode that learns nothing."""
    return trunk.requires_grad_(False).eval()


def stepping(ctx: Context, trunk: nn.Module) -> dict[str, str]:
    """Make the trunk learn in its lean form if that is asked for and it has one; what ``model.json`` says of it.

    Raises ConfigError where it cannot be compiled: the plain form, whose last bits differ, never takes its place. So ``step``, backbone
    and device, which are in the key, say which of them ran.
    """
    params = ctx.params
    wanted = params.step == "lean" and params.backbone in BACKBONES and params.trunk == "trained" and ctx.device == "cpu"
    found = library() if wanted else ""
    if wanted and isinstance(found, str):
        raise ConfigError(f"step=lean cannot be used here: {found}", hint="--set train.step=plain needs no compiler")
    lean = wanted and make_lean(trunk)
    return {"step": "lean" if lean else "plain"}


def take(ctx: Context, arguments: Mapping[str, Any], state: Mapping[str, torch.Tensor], **more: Any) -> None:
    """Write the network of a published checkpoint as it is, strictly; its sha256 is in the key and in ``model.json``."""
    path = ctx.files["checkpoint"]
    model = published.load(build(**arguments), state, path.name)
    weights = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    write(ctx, Result(weights, 0, []), arguments, checkpoint=digest_file(path), weights=f"checkpoint {path.name}", **more)


def checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """The entries of a published checkpoint, without a ``module`` in their names."""
    return published.stripped(read_raw(path).entries)


def must_agree(ctx: Context, found: Mapping[str, Any]) -> None:
    """Raise ConfigError if the checkpoint is of another network than the parameters say, whose code and files are in the key."""
    for name, value in found.items():
        own = getattr(ctx.params, name)
        if own not in ("", value):
            section = section_of(ctx)
            raise ConfigError(
                f"{ctx.files['checkpoint'].name} is of {name} = {value}, and {section}.{name} is {own}",
                hint=f"--set {section}.{name}={list(value) if isinstance(value, tuple) else value}",
            )
