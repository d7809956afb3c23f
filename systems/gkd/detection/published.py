"""Checkpoints of the published code and of AFSD: whose they are, read off names and shapes, and how they load (spec 3.3, 5, 6.1).

Files are read by ``models.backbones.published.read_raw`` and ``read_state``; here are only states. Writing needs no code: the state dict
of a :class:`Detector` is the published layout, with 462 entries, or without attention (AFSD) 442.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from cache.errors import DataError
from models.backbones import published
from models.backbones.published import State
from systems.gkd.cvae import CVAE
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.shape import Shape

States = Mapping[str, Tensor]
TRUNK, HEAD = "backbone._model.", "coarse_pyramid_detection."
#: what a state of AFSD, and maybe one of a flow network, does without
ATTENTION = ("deconv1.", "deconv2.", "Att_Head_4f.", "Att_Head_5c.")


def stripped(state: States) -> State:
    """Names without the ``module`` that DataParallel puts before them, or before those of a part: ``backbone.module._model.*``."""
    return {".".join(part for part in name.split(".") if part != "module"): value for name, value in state.items()}


def options(state: States) -> dict[str, Any]:
    """What builds the :class:`Detector` of a state: ``kind``, ``shape`` and ``attention``. Frames are known only with attention, else 256.

    Raises DataError if the state is of no such network.
    """
    state = stripped(state)
    wanted = {
        "stem": f"{TRUNK}Conv3d_1a_7x7.conv3d.weight",
        "fine": f"{HEAD}pyramids.0.0.conv3d.weight",
        "classes": f"{HEAD}conf_head.conv1d.weight",
    }
    missing = [name for name in wanted.values() if name not in state]
    if missing:
        raise DataError(f"the checkpoint is of no detection network: it has no {missing[0]}", hint="recognition's are another system half")
    shapes = {part: tuple(state[name].shape) for part, name in wanted.items()}
    attention = "Att_Head_4f.3.weight" in state
    shape = Shape(
        n_classes=shapes["classes"][0],
        channels=shapes["stem"][1],
        frames=4 * len(state["Att_Head_4f.3.weight"]) if attention else Shape.frames,
        crop=16 * shapes["fine"][-1],
        levels=len({name.split(".")[2] for name in state if name.startswith(f"{HEAD}pyramids.")}),
        width=shapes["fine"][0] / 512,
    )
    return {"kind": "student" if shapes["stem"][2] == 1 else "teacher", "shape": shape, "attention": attention}


def load(net: Detector, state: States, source: str, *, attention: str = "required") -> Detector:
    """Load all entries strictly and return the network. Raises DataError with what does not fit.

    attention: ``kept`` lets those of the attention be absent all together; the network then keeps its own. So AFSD's weights begin a
               training, and flow networks are read whose attention is not used. Entries of an attention that ``net`` lacks are ignored.
    """
    found = stripped(state)
    if attention == "kept":
        if net.has_attention and not any(name.startswith(ATTENTION) for name in found):
            found |= {name: value for name, value in net.state_dict().items() if name.startswith(ATTENTION)}
        if not net.has_attention:
            found = {name: value for name, value in found.items() if not name.startswith(ATTENTION)}
    published.load_into(net, found, source)
    return net


def load_kinetics(net: Detector, state: States, source: str) -> Detector:
    """Load ``rgb_imagenet.pt`` or ``flow_imagenet.pt``, but for its classifier, into the backbone; the rest stays as it is.

    Raises DataError with what does not fit: a student's kernels have another shape, and it is trained from nothing.
    """
    published.load_into(
        net.backbone.net, {name: value for name, value in stripped(state).items() if not name.startswith("logits.")}, source
    )
    return net


def cvae_for(shape: Shape) -> CVAE:
    """The CVAE of a network of these sizes, with both branches: its state has the published names."""
    return CVAE({1024: (shape.channels_5c, shape.size_5c), 832: (shape.channels_4f, shape.size_4f)})


def load_cvae(net: CVAE, state: States, source: str) -> CVAE:
    """Load all 40 entries strictly. Raises DataError with what does not fit."""
    published.load_into(net, stripped(state), source)
    return net
