"""Parameters of this system that cannot go together, said before anything runs and not after hours of training experts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cache.errors import ConfigError, KdpipeError
from cache.stage import Node
from systems.litemkd.chosen import chosen
from systems.litemkd.kinds import FROZEN, HEADS, HeadKind, check_shape, outputs
from systems.litemkd.objectives import OBJECTIVES, Objective
from systems.litemkd.videos import counts, listed, require_classes, ways_of_validation

#: variant -> modalities that it fuses
FUSED = {"two": 2, "two-shift": 2, "shift": 3, "shift-otam": 3, "plain": 3, "joint": 3, "pairs-three": 3, "four": 4, "pairs-four": 4}


def check(nodes: Mapping[str, Node]) -> None:
    """Raise ConfigError for parameters that no training can have together, with the key to change."""
    for node in nodes.values():
        section = node.name.rpartition(".s")[0]
        _check_filled(section, node.params)
        if node.stage.name in ("expert", "teacher", "student") and not node.params.checkpoint:
            _check_steps(section, node.params)
        if node.stage.name in ("expert", "student"):
            _check_trunk(section, node.params)
        if node.stage.name == "teacher":
            _check_variant(node.params)
        if node.stage.name == "student":
            _check_student(section, node)
            _check_head(section, node, nodes)
    _check_frames(nodes)


def check_index(nodes: Mapping[str, Node], index: Path) -> None:
    """Raise DataError or ConfigError for episodes that take more classes, or more videos of a class, than the index lists.

    A stage says the same of the videos that it has, which may be fewer.
    """
    videos = functools.cache(lambda part: counts(listed(index, part)))
    for node in nodes.values():
        params: Any = node.params
        section = node.name.rpartition(".s")[0]
        try:
            if node.stage.name == "evaluate":
                for shot in params.shots:
                    require_classes(videos("test"), params.way, shot + params.queries)
            elif node.stage.name in ("expert", "teacher", "student") and not params.checkpoint:
                require_classes(videos("train"), params.way, params.shot + params.queries)
                if params.select == "val":
                    ways_of_validation(videos("val"), params.way, params.shot, section)
        except KdpipeError as error:
            raise type(error)(f"{section}: {error.message}", hint=error.hint) from error


def _check_filled(section: str, params: Any) -> None:
    """A head compares tuples of some length, an evaluation has a column."""
    for name, example in (("cardinalities", "[2]"), ("shots", "[5]")):
        if getattr(params, name, None) == ():
            raise ConfigError(f"{section}.{name} is empty, and nothing would be compared", hint=f"--set {section}.{name}={example}")


def _check_steps(section: str, params: Any) -> None:
    """An epoch ends with a step, and every step has an episode."""
    if params.record_every % params.accumulate:
        what = f"{section}: record_every = {params.record_every} is no multiple of accumulate = {params.accumulate}"
        raise ConfigError(what, hint=f"--set {section}.record_every={params.accumulate * max(1, params.record_every // params.accumulate)}")
    if params.accumulate == 1 and params.switch("first_step") == "short":
        raise ConfigError(
            f"{section}: steps of one episode leave none for a first step that is shorter", hint="--set train.first_step=full"
        )


def _check_trunk(section: str, params: Any) -> None:
    assert params.network  # an image network
    if params.trunk != "frozen" or params.checkpoint:
        return
    if params.weights == "random":
        raise ConfigError(f"{section}: a frozen trunk of random weights has learnt nothing", hint=f"--set {section}.weights=...")
    if "strm" in (getattr(params, "kind", ""), getattr(params, "shape", "").removesuffix("-d2m")):
        hint = f"--set {section}.trunk=trained"
        raise ConfigError(f"{section}: STRM learns within what a frozen trunk computes once", hint=hint)


def _check_variant(params: Any) -> None:
    wanted = FUSED[params.chosen]
    if wanted != len(params.modalities):
        what = f"teacher.variant = {params.chosen} fuses {wanted} modalities, and there are {len(params.modalities)}"
        raise ConfigError(what, hint="--set graph.modalities=[...] beside rgb, or another variant")


def _check_student(section: str, node: Node) -> None:
    """Its objective is on outputs that its head and its teacher's give."""
    params: Any = node.params
    if params.checkpoint:
        return
    shape, head, objective = chosen(params)
    check_shape(shape, head)
    kind = HEADS[head]
    teacher = None if params.learns_from == "none" else HEADS[FROZEN[kind.matching]]
    _check_objective(OBJECTIVES[objective], kind, teacher, objective)
    headless = params.learns_from != "none" and "teacher" not in node.reads and FROZEN[kind.matching] != "distance-support"
    if headless and params.switch("teacher_head") == "checkpoint":
        network = "teacher" if params.learns_from == "fused" else "expert.rgb"
        what = f"{section} learns from imported features with the head of the network that made them, and there is no such network here"
        raise ConfigError(what, hint=f"--set {network}.checkpoint=PATH, the published one; or --set {section}.teacher_head=random")


def _check_head(section: str, node: Node, nodes: Mapping[str, Node]) -> None:
    """The network whose head a student learns with compares pairs of frames, as the student does."""
    params: Any = node.params
    network = nodes.get(node.reads.get("teacher", ""))
    if params.checkpoint or network is None or network.params.checkpoint or params.switch("teacher_head") != "checkpoint":
        return
    own, kind = network.params, HEADS[chosen(params)[1]]
    pairs = 2 in own.cardinalities and getattr(own, "variant", "") != "shift-otam" and getattr(own, "kind", "") != "baseline"
    if not pairs and FROZEN[kind.matching] != "distance-support":
        what = f"{section} learns with the head of {network.name.rpartition('.s')[0]}, which has no cross-transformer of pairs"
        raise ConfigError(what, hint=f"--set {section}.teacher_head=random, or give it one: cardinalities, variant, kind")


def _check_frames(nodes: Mapping[str, Node]) -> None:
    """Features of all networks have as many frames."""
    found = {node.name.rpartition(".s")[0]: node.params.frames for node in nodes.values() if hasattr(node.params, "checkpoint")}
    if len(set(found.values())) > 1:
        one, other = next((one, other) for one in found for other in found if found[one] != found[other])
        what = f"{one} sees {found[one]} frames of a video, {other} {found[other]}: one learns from the other's features"
        raise ConfigError(what, hint=f"--set train.frames={found[one]}")


def _check_objective(objective: Objective, student: HeadKind, teacher: HeadKind | None, name: str) -> None:
    """Raise ConfigError for an objective on outputs that the heads do not have; ``teacher`` None: there is none."""
    own = outputs(student) | {"feature"}
    theirs = set() if teacher is None else outputs(teacher) | {"feature"}
    absent = {term.on for term in objective.terms} - own
    unsaid = {term.target for term in objective.terms if term.target} - theirs
    if not absent and not unsaid:
        return
    fitting = [
        other for other, one in OBJECTIVES.items() if {t.on for t in one.terms} <= own and {t.target for t in one.terms} - {""} <= theirs
    ]
    who = f"the student's head does not give {sorted(absent)[0]!r}" if absent else f"there is no teacher that gives {sorted(unsaid)[0]!r}"
    raise ConfigError(f"objective = {name}: {who}", hint=f"objectives that fit: {', '.join(fitting) or 'none'}")
