"""A trained network of this system as an artifact (:mod:`models.training.artifact`).

``model.json`` says how to build it, what it sees (modality, size of pictures, whether they are normalised), which switches it was trained
under, and where its weights come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from cache.stage import Context
from models.training import artifact
from models.training.result import Result
from systems.litemkd.mfm import MFM, Shifts
from systems.litemkd.model import Student
from systems.litemkd.single import Single
from systems.litemkd.switches import settings


def build(role: str, **arguments: Any) -> nn.Module:
    """The network of a role (``expert``, ``teacher``, ``student``) with fresh weights."""
    return ROLES[role](**arguments)


def write(ctx: Context, result: Result, arguments: Mapping[str, Any], **about: Any) -> None:
    """Write the kept weights, the ``arguments`` of :func:`build` that make the network, and the curves."""
    record = {**about, "role": arguments["role"], "seed": ctx.params.seed, "switches": settings(ctx.params)}
    artifact.write_network(ctx.out, result, {**record, "arguments": dict(arguments)})


def read(directory: Path, device: str = "cpu") -> tuple[Any, dict[str, Any]]:
    """The network of an artifact, frozen and in eval mode, and its ``model.json``. Raises DataError if they do not fit."""
    return artifact.read_network(directory, build, device)


def _teacher(shifts: Mapping[str, str], **arguments: Any) -> MFM:
    return MFM(shifts=Shifts(**shifts), **arguments)


ROLES: Mapping[str, Callable[..., nn.Module]] = {"expert": Single, "teacher": _teacher, "student": Student}
