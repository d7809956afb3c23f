"""Checkpoints of the published code: what network they are of, read off their names and shapes, and how they load (spec C, E).

They are read by ``models.backbones.published.read_raw``; here are only states. Every entry must fit: ``load`` is strict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from cache.errors import DataError
from models.backbones.published import State, load_into
from systems.litemkd.single import Single

States = Mapping[str, Tensor]
#: What a teacher calls its head of the first cardinality, and what a frozen head calls it.
HEAD, FROZEN = "bracnch.transformers.0.", "transformers."
#: family -> the published head of one branch, and of two
HEADS = {"trx": ("trx", "d2m"), "distance": ("distance", "distance-d2m"), "strm": ("strm", "strm-d2m")}
#: whether its blocks have three convolutions, and how many blocks its first stage has -> network
RESNETS = {(False, 2): "resnet18", (False, 3): "resnet34", (True, 3): "resnet50"}
#: channels of the last map -> network
MOBILENETS = {960: "mobilenet_v3_large", 576: "mobilenet_v3_small"}


def stripped(state: States) -> State:
    """Names without the ``module`` that a run on several GPUs puts in: ``backbone.resnet.module.4.0`` is ``backbone.resnet.4.0``."""
    return {".".join(part for part in name.split(".") if part != "module"): value for name, value in state.items()}


def teacher_options(state: States) -> dict[str, Any]:
    """``dim``, ``out_dim``, ``cardinalities``, ``layers`` and ``frames`` of a multi-modal teacher; its variant cannot be told (quirk 25).

    Raises DataError if the state is of no such network.
    """
    fused = next((name for name in state if name.endswith(("fusion.f1.weight", "fusion_temproal.f1.weight"))), None)
    if fused is None:
        raise DataError("the checkpoint is of no multi-modal teacher: it has no fusion block")
    dim = len(state[fused])
    block = fused.removesuffix("f1.weight")
    layers = {int(found[1]) for name in state if (found := re.match(rf"{re.escape(block)}transformer_encoder\.layers\.(\d+)\.", name))}
    keys = re.compile(r"bracnch\.transformers\.(\d+)\.k_linear\.weight")
    heads = {int(found[1]): value for name, value in state.items() if (found := keys.fullmatch(name))}
    return {
        "dim": dim,
        "out_dim": len(heads[0]) if heads else 1152,
        "cardinalities": tuple(heads[number].shape[1] // dim for number in sorted(heads)) or (2,),
        "layers": max(layers) + 1,
        "frames": len(state[f"{block}positionEncoding1.position_embeddings.weight"]),
    }


def student_options(state: States) -> dict[str, Any]:
    """``network``, ``shape``, ``head``, ``dim`` and ``out_dim`` of a student; of heads with equal names the published one.

    Raises DataError if the state is of no student.
    """
    network, whole = _trunk(state)
    two, enriched = "backbone.fc2.weight" in state, "backbone.attn_pat.gamma" in state
    if enriched:
        shape = "strm-d2m" if state["backbone.fc1.weight"].shape[0] == state["backbone.fc1.weight"].shape[1] else "strm"
    elif two:
        shape = "pooled-d2m" if whole else "d2m"
    else:
        shape = "plain" if {"backbone.fc.weight", "backbone.res18_2048.weight"} & set(state) else "bare"
    keys = state.get("classifier.transformers.k_linear.weight")
    one, both = HEADS["strm" if enriched else "distance" if keys is None else "trx"]
    options: dict[str, Any] = {"network": network, "shape": shape, "head": both if shape.endswith("d2m") else one}
    branches = [value for name in ("fc1", "fc", "res18_2048") if (value := state.get(f"backbone.{name}.weight")) is not None]
    options |= {"dim": len(branches[0])} if branches else {}
    return options | ({} if keys is None else {"out_dim": len(keys)})


def _trunk(state: States) -> tuple[str, bool]:
    """The network of a student's trunk, and whether its parts keep their names."""
    for prefix, whole in (("backbone.resnet.4.", False), ("backbone.resnet.layer1.", True)):
        blocks = {int(name.removeprefix(prefix).partition(".")[0]) for name in state if name.startswith(prefix)}
        network = RESNETS.get((f"{prefix}0.conv3.weight" in state, len(blocks)))
        if network:
            return network, whole
    last = [value for name, value in state.items() if re.fullmatch(r"backbone\.mobile\.0\.\d+\.0\.weight", name)]
    if last and len(last[-1]) in MOBILENETS:
        return MOBILENETS[len(last[-1])], False
    raise DataError("the checkpoint is of no student that is known here: its trunk is neither a ResNet nor a MobileNetV3")


def frozen_head(state: States) -> State:
    """The state of the frozen head (``trx-support``) that a student learns from, out of a teacher's. Raises DataError if it has none."""
    found = {FROZEN + name.removeprefix(HEAD): value for name, value in state.items() if name.startswith(HEAD)}
    if not found:
        raise DataError(f"the teacher's checkpoint has no {HEAD}*: it has no cross-transformer")
    return found


def load(net: nn.Module, state: States, source: str) -> nn.Module:
    """Load a published state strictly and return the network. Raises DataError with what does not fit.

    One part may be absent: the patch heads of STRM, which no published state has; they keep what they have.
    """
    found = stripped(state)
    if isinstance(net, Single) and net.kind == "strm":
        own = {name: value for name, value in net.state_dict().items() if name.startswith("new_dist_loss_post_pat.")}
        found = {**own, **found}
    return load_into(net, found, source)
