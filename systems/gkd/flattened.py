"""The weights of an I3D for a student, a Top-I3D: where kernels have no extent in time, the sums over time, which see a still clip alike.

The published student is trained from nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from models.backbones.published import State, read_state
from models.weights import check, find
from systems.gkd.start import SHIPPED


def flattened(state: Mapping[str, Tensor], trunk: nn.Module) -> State:
    """``state`` of an I3D, with the kernels that ``trunk`` wants."""
    own = trunk.state_dict()
    flat = {name for name, value in own.items() if value.ndim == 5 and value.shape[2] == 1}
    return {name: value.sum(2, keepdim=True) if name in flat and value.ndim == 5 else value for name, value in state.items()}


def shipped(trunk: nn.Module) -> tuple[State, str]:
    """The shipped weights of a small I3D for ``trunk``, and the name of their file."""
    entry = find(*SHIPPED.split("."))
    return flattened(read_state(check(entry, entry.path)), trunk), entry.file
