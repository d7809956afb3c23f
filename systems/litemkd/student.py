"""The ``student`` stage: a small RGB network, alone or distilled, trained on episodes, or taken from a published checkpoint.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`systems.litemkd.trained`).
"""

from __future__ import annotations

from typing import Any

from cache.errors import ConfigError
from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.litemkd import published
from systems.litemkd.chosen import chosen
from systems.litemkd.dumped import Dumped
from systems.litemkd.episodic import section_of, train
from systems.litemkd.first import Material, checkpoint, freeze, must_agree, seen, stepping, take, trunk_net
from systems.litemkd.kinds import HEADS
from systems.litemkd.lessons import StudentLesson
from systems.litemkd.model import Student
from systems.litemkd.objectives import OBJECTIVES, Objective
from systems.litemkd.targets import Targets, frozen_head
from systems.litemkd.trained import build, write


def run(ctx: Context) -> None:
    """Train the student, or take the checkpoint that is named."""
    params = ctx.params
    if "checkpoint" in ctx.files:
        state = checkpoint(ctx.files["checkpoint"])
        found = published.student_options(state)
        must_agree(ctx, {"backbone": found["network"], "shape": found["shape"], "head": found["head"]})
        take(ctx, {**arguments(params, "", ""), **found}, state, **seen(params))
        return
    shape, head, name = chosen(params)
    objective = OBJECTIVES[name]
    features = Dumped(ctx.inputs["features"]) if params.learns_from != "none" else None
    material = Material(ctx, None if features is None else features.ids)
    targets = None if features is None else _targets(ctx, features, head)
    make_deterministic(params.seed, threads=params.threads)
    made = arguments(params, shape, head)
    model: Student = build(**made, net=trunk_net(ctx)).to(ctx.device)  # type: ignore[assignment]
    if features is not None:
        _check_widths(ctx, objective, model, features)
    source: Any = material.pictures
    look = material.look if params.trunk == "trained" else None
    learns = stepping(ctx, model.backbone.trunk)
    if look is None:
        freeze(model.backbone.trunk)
        backbone = model.backbone
        source = material.frozen(ctx, lambda clips: backbone.pooled(clips.flatten(0, 1)).unflatten(0, clips.shape[:2]))
        make_deterministic(params.seed, threads=params.threads)
    lesson = StudentLesson(model, source, look, objective, targets, params, ctx.device)
    result = train(ctx, lesson, material.pools)
    from_elsewhere = {} if features is None else {"imported": features.about.get("imported")}
    write(ctx, result, made, objective=name, learns_from=params.learns_from, **from_elsewhere, **learns, **material.about(params))


def arguments(params: Any, shape: str, head: str) -> dict[str, Any]:
    """What the network is built of."""
    own = {"network": params.backbone, "shape": shape, "head": head, "support_grouping": params.switch("support_grouping")}
    return {"role": "student", **own, **{name: getattr(params, name) for name in ("dim", "out_dim", "frames", "dropout")}}


def _targets(ctx: Context, features: Dumped, head: str) -> Targets:
    params = ctx.params
    frozen = frozen_head(params, HEADS[head], features, ctx.inputs.get("teacher"))
    return Targets(features, frozen, ctx.device, dropout=params.switch("teacher_dropout") == "on")


def _check_widths(ctx: Context, objective: Objective, model: Student, features: Dumped) -> None:
    """Features that are compared number by number must be alike."""
    own = (model.backbone.dim, ctx.params.frames)
    if any(term.target == "feature" for term in objective.terms) and own != (features.width, features.frames):
        what = f"the student's features are {own[0]} wide, the teacher's {features.width}: the objective compares them number by number"
        raise ConfigError(what, hint=f"--set {section_of(ctx)}.dim={features.width}")
