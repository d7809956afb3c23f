"""What must fit whatever the task: a student its teacher, shipped weights their network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cache.errors import ConfigError
from cache.stage import Node
from systems.gkd.start import SMALL


def check_weights(section: str, params: Any) -> None:
    """Raise ConfigError where a network of another shape shall start from the shipped weights."""
    if params.weights != "world" or params.checkpoint:
        return
    if params.width != SMALL:
        what = f"{section}: the shipped weights are of a network of width {SMALL}, and this one has {params.width}"
        raise ConfigError(what, hint=f"--set train.width={SMALL}, or {section}.weights=random")
    if params.modality != "rgb":
        raise ConfigError(f"{section}: the shipped weights are of a network that sees RGB", hint=f"--set {section}.weights=random")


def check_student(section: str, node: Node, nodes: Mapping[str, Node], alike: Sequence[str]) -> None:
    """Raise ConfigError where a student cannot learn what it shall; ``alike``: what its maps and its teacher's must share."""
    params: Any = node.params
    if params.representation is False and params.generative:
        raise ConfigError(f"{section}: generative distillation is of a CVAE, and it has none", hint=f"leave {section}.representation out")
    teacher = nodes.get(node.reads["teacher"])
    if teacher is None:
        return
    theirs: Any = teacher.params
    for name in alike:
        if getattr(theirs, name) != getattr(params, name):
            what = f"{section} has {name} = {getattr(params, name)}, and its teacher {getattr(theirs, name)}: their maps differ"
            raise ConfigError(what, hint=f"--set train.{name}={getattr(theirs, name)}")
    if params.generative and theirs.checkpoint and not theirs.cvae_checkpoint:
        what = f"{section} learns from the teacher's CVAE, and the teacher is taken from a file without it"
        raise ConfigError(what, hint=f"--set {teacher.name.rpartition('.s')[0]}.cvae_checkpoint=PATH")
