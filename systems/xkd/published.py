"""Checkpoints of the published code: the state of a training, and the encoders alone; read and written under its names (spec 9).

Files are read by ``models.backbones.published.read_raw``; here are only states. Every entry must fit, in both directions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cache.errors import DataError, one_of, some
from models.backbones.published import State, load_into
from systems.xkd.blocks import Width
from systems.xkd.encoder import Encoder
from systems.xkd.model import XKD
from systems.xkd.patches import Audio, Geometry, Video

States = Mapping[str, Tensor]
#: what a training on several GPUs puts before every name
PARALLEL = "module."
#: the four encoders of a training, as their files are called -> where they are in its state
SIDES = {f"{modality}_{role}": f"{modality}_{role}.backbone." for modality in ("vid", "aud") for role in ("student", "teacher")}
#: how evaluation renames an encoder's entries
RENAMED = (("encoder_norm.", "norm."), ("encoder.", ""), ("enc_pos_embed", "pos_embed"), ("cuboid_embed.", "patch_embed."))
#: presets of encoders: dim -> depth, heads
DEPTHS = {192: (12, 3), 384: (12, 6), 768: (12, 12), 1024: (24, 16)}


def training_state(net: XKD, optimizer: Mapping[str, Any], epoch: int, amp: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What ``checkpoint.pth.tar`` holds after an epoch; ``epoch`` is the next one. Shared tensors are in memory once."""
    model = {PARALLEL + name: value for name, value in net.state_dict().items()}
    return {"model": model, "optimizer": dict(optimizer), "epoch": epoch, "amp": None if amp is None else dict(amp)}


def load(net: XKD, state: States, source: str) -> XKD:
    """Load the ``model`` of a training state, with or without ``module.``, strictly.

    Raises DataError naming what does not fit, and if names that share a tensor hold different numbers.
    """
    found = {name.removeprefix(PARALLEL): value for name, value in state.items()}
    first: dict[int, str] = {}
    apart = []
    for name, value in net.state_dict(keep_vars=True).items():
        canonical = first.setdefault(id(value), name)
        if canonical in found and name in found and not same(found[canonical], found[name]):
            apart.append(name)
    if apart:
        raise DataError(f"{source} is not of {net.variant}: it has different numbers where one tensor is shared: {some(apart)}")
    load_into(net, found, source)
    return net


def same(one: Tensor, other: Tensor) -> bool:
    return one is other or (one.shape == other.shape and (one.data_ptr() == other.data_ptr() or torch.equal(one, other)))


def backbone_state(net: XKD, side: str) -> State:
    """The entries of one encoder's own file, ``vid_student`` to ``aud_teacher``."""
    one_of("side", side, SIDES)
    return {name.removeprefix(SIDES[side]): value for name, value in net.state_dict().items() if name.startswith(SIDES[side])}


def evaluation_name(name: str) -> str:
    """What evaluation calls an entry: ``encoder.blocks.0.norm1.weight`` is ``blocks.0.norm1.weight``."""
    for published, renamed in RENAMED:
        if name.startswith(published):
            return renamed + name.removeprefix(published)
    return name


def training_names(state: States) -> State:
    """An encoder's state with the names that it has in training, whichever of both it has. Raises DataError if it is of no encoder."""
    if "enc_pos_embed" in state:
        return dict(state)
    projection = state.get("patch_embed.proj.weight")
    if projection is None or "pos_embed" not in state:
        raise DataError("the state is of no XKD encoder: it has neither enc_pos_embed nor pos_embed and patch_embed")
    back = {"norm.": "encoder_norm.", "blocks.": "encoder.blocks.", "pos_embed": "enc_pos_embed"}
    if projection.shape[1] % 3 == 0:
        back["patch_embed."] = "cuboid_embed."
    return {next((new + name.removeprefix(old) for old, new in back.items() if name.startswith(old)), name): v for name, v in state.items()}


def encoder(state: States, source: str, geometry: Geometry | None = None, heads: int | None = None) -> Encoder:
    """The encoder of a backbone file or of evaluation, loaded strictly. Sizes are read off the shapes, as far as they tell.

    ``geometry`` and ``heads`` are for others than the published ones. Raises DataError naming what does not fit.
    """
    found = training_names(state)
    dim = found["enc_pos_embed"].shape[-1]
    depth = len({match[1] for name in found if (match := re.match(r"encoder\.blocks\.(\d+)\.", name))})
    if heads is None and DEPTHS.get(dim, (0, 0))[0] != depth:
        raise DataError(f"{source}: no published encoder has {depth} blocks of width {dim}", hint="give the number of heads")
    own = geometry or (Video() if "cuboid_embed.proj.weight" in found else Audio())
    net = Encoder(own, Width(dim, depth, heads or DEPTHS[dim][1]))
    load_into(net, found, source)
    return net.eval()
