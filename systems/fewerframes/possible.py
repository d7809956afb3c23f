"""Parameters of this system that cannot go together, said before anything runs and not after hours of reading records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cache.errors import ConfigError
from cache.stage import Node


def check(nodes: Mapping[str, Node]) -> None:
    """Raise ConfigError for a network or a training that its parameters do not allow, with the key to change."""
    if "ingest" not in nodes:
        return
    widths = nodes["ingest"].params
    for node in nodes.values():
        if node.stage.name in ("teacher", "student"):
            section = node.name.partition(".k" if node.stage.name == "student" else ".s")[0]
            _check_processes(section, node.params)
            _check_network(section, node.params, widths)
            teacher = nodes.get(f"teacher.{node.name.rpartition('.')[2]}")  # a student alone reads none
            if node.stage.name == "student" and teacher is not None:
                _check_width(section, node.params, teacher.params)


def _check_processes(section: str, params: Any) -> None:
    """Every process has an equal part of every batch."""
    if params.processes == 1:
        return
    if params.batch_size % params.processes:
        what = f"{section}: batch_size = {params.batch_size} does not divide among processes = {params.processes}"
        raise ConfigError(what, hint=f"--set {_role(section)}.batch_size={-(-params.batch_size // params.processes) * params.processes}")
    if not params.drop_last:
        what = f"{section}: with drop_last = false the last batch of an epoch does not divide among processes = {params.processes}"
        raise ConfigError(what, hint=f"--set {_role(section)}.drop_last=true")


def _check_network(section: str, params: Any, widths: Any) -> None:
    if params.network == "hlstm":
        _check_blocks(section, "blocks", params.blocks, _rows(params))
        if getattr(params, "regime", "") == "parallel":
            _check_blocks(section, "teacher_blocks", params.teacher_blocks, params.max_frames)
    elif params.network == "nextvlad-mix" and params.classifier == "moe":
        what = f"{section}: network = nextvlad-mix mixes the logits of its branches, and classifier = moe has none"
        raise ConfigError(what, hint=f"--set {_role(section)}.classifier=logistic, or --set {_role(section)}.network=nextvlad")
    if params.network.startswith("nextvlad"):
        _check_groups(section, params, widths.rgb, params.groups)
        if params.modalities == "both" and widths.audio:
            _check_groups(section, params, widths.audio, params.groups // 2)


def _role(section: str) -> str:
    """The section that speaks to all students, or the teacher's."""
    return section.partition(".")[0]


def _rows(params: Any) -> int:
    """How many rows of a video the network sees."""
    if not hasattr(params, "k"):
        return int(params.max_frames)
    return len(range(0, params.max_frames, params.max_frames // params.k)) if params.frames == "steps" else int(params.k)


def _check_blocks(section: str, name: str, blocks: int, rows: int) -> None:
    if rows % blocks:
        fitting = max(n for n in range(1, min(rows, blocks) + 1) if rows % n == 0)
        what = f"{section}: {rows} frames do not split into {name} = {blocks} of equal length"
        raise ConfigError(what, hint=f"--set {_role(section)}.{name}={fitting}, or another number of frames")


def _check_groups(section: str, params: Any, width: int, groups: int) -> None:
    expanded = int(params.expansion * width)
    if expanded == 0 or expanded % groups:
        what = f"{section}: {width} features expanded by {params.expansion:g} are {expanded}, which do not split into {groups} groups"
        raise ConfigError(what, hint=f"--set {_role(section)}.expansion=... or {_role(section)}.groups=... changes that")


def _check_width(section: str, params: Any, teacher: Any) -> None:
    """A representation is compared number by number; in the parallel regime the teacher is of the student's own kind."""
    own, wanted = _width(params), _width(teacher)
    if params.rep and params.regime == "serial" and own[1] != wanted[1]:
        what = f"{section}: a representation of {own[0]} = {own[1]} numbers is compared with one of teacher.{wanted[0]} = {wanted[1]}"
        raise ConfigError(what, hint="give both the same width")


def _width(params: Any) -> tuple[str, int]:
    """What the length of the representation is called, and that length."""
    return ("4 cells", 4 * params.cells) if params.network == "hlstm" else ("hidden", params.hidden)
