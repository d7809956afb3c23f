"""Checkpoints of the published code: whose they are, read off names and shapes, and how they load and are written (spec 3.1, 5, 6.1).

Files are read by ``models.backbones.published.read_raw`` and ``read_state``; here are only states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cache.errors import DataError
from models.backbones import published
from models.backbones.published import State
from systems.gkd.cvae import CVAE, NAMES
from systems.gkd.recognition.network import CHANNELS, FRAMES_A_STEP, PIXELS_A_CELL, Recogniser

States = Mapping[str, Tensor]
TRUNK = "backbone._model."
#: height of the maps of both branches in the published CVAEs, of which recognition uses 1024 alone
KERNELS = {"student": {1024: 7, 832: 6}, "teacher": {1024: 7, 832: 14}}


def options(state: States) -> dict[str, Any]:
    """What builds the :class:`Recogniser` of a state. Of clip length and frame size it has the largest that fit.

    Raises DataError if the state is of no such network.
    """
    wanted = {
        "classifier": f"{TRUNK}logits.conv3d.weight",
        "stem": f"{TRUNK}Conv3d_1a_7x7.conv3d.weight",
        "deconv1": "deconv1.0.weight",
        "attention": "Att_Head_5c.3.weight",
    }
    missing = [name for name in wanted.values() if name not in state]
    if missing:
        raise DataError(f"the checkpoint is of no recognition network: it has no {missing[0]}", hint="detection's are another system half")
    shapes = {part: tuple(state[name].shape) for part, name in wanted.items()}
    return {
        "kind": "student" if shapes["stem"][2] == 1 else "teacher",
        "n_classes": shapes["classifier"][0],
        "n_input_channels": shapes["stem"][1],
        "frames": shapes["attention"][0] * FRAMES_A_STEP,
        "size": shapes["deconv1"][-1] * PIXELS_A_CELL,
        "width": shapes["classifier"][1] / CHANNELS,
    }


def load(net: Recogniser, state: States, source: str) -> Recogniser:
    """Load all 354 entries strictly. Raises DataError with what does not fit."""
    published.load_into(net, state, source)
    return net


def load_backbone(net: Recogniser, entries: States, source: str) -> Recogniser:
    """Load the first 344 entries by position, whatever they are called, as flow networks are read; the attention stays as it is.

    Raises DataError where shapes disagree.
    """
    trunk = net.backbone.net
    published.load_into(trunk, published.by_position(trunk, entries, source), source)
    return net


def load_kinetics(net: Recogniser, state: States, source: str) -> Recogniser:
    """Load ``rgb_imagenet.pt`` or ``flow_imagenet.pt`` but for its classifier of 400 classes; ours stays as it is.

    Raises DataError with what does not fit: a student's kernels have another shape, and it is trained from nothing.
    """
    trunk = net.backbone.net
    found = {name: value for name, value in state.items() if not name.startswith("logits.")}
    own = {name: value for name, value in trunk.state_dict().items() if name.startswith("logits.")}
    published.load_into(trunk, {**own, **found}, source)
    return net


def cvae_branch(net: Recogniser) -> CVAE:
    """A CVAE for a network: the branch of its last map, the only one that recognition uses."""
    channels, _, cells = net.map_shape
    return CVAE({CHANNELS: (channels, cells)})


def load_cvae(net: CVAE, state: States, source: str) -> CVAE:
    """Load strictly; a published branch that ``net`` does without may be there as well. Raises DataError with what does not fit."""
    absent = [NAMES[channels][0] for channels in NAMES if NAMES[channels][0] not in net.endings.values()]
    unused = tuple(f"{part}{ending}." for ending in absent for part in ("cencoder", "cdecoder"))
    published.load_into(net, {name: value for name, value in state.items() if not name.startswith(unused or ("\0",))}, source)
    return net


def cvae_state(net: CVAE, kind: str) -> State:
    """The state in the published layout, with zeros for the branch of 832 channels that the published programs load but never use."""
    state = dict(net.state_dict())
    with torch.device("meta"):
        whole = CVAE({channels: (channels, kernel) for channels, kernel in KERNELS[kind].items()}).state_dict()
    return {name: state[name] if name in state else torch.zeros(like.shape) for name, like in whole.items()}
