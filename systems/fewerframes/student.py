"""The ``student`` stage: a network on k frames, alone or distilled.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`systems.fewerframes.trained`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from cache.errors import ConfigError
from cache.stage import Context
from systems.fewerframes.losses import PRESETS, Objective
from systems.fewerframes.parallel import train_parallel
from systems.fewerframes.targets import Dumped, Online, representation_width
from systems.fewerframes.train import VideoTask, fresh_network, prepare, together, train_task
from systems.fewerframes.trained import Prepared, write_network


def run(ctx: Context) -> None:
    """Train a student; what it learns from is in ``ctx.params``: ``rep``, ``pred``, ``targets`` and ``regime``."""
    together(ctx, work)


def work(ctx: Context) -> None:
    """The part of one process."""
    params = ctx.params
    prepared = prepare(ctx)
    objective = objective_of(params)
    if objective.terms and params.regime == "parallel":
        result = train_parallel(ctx, prepared, objective)
    else:
        targets = source(ctx, prepared) if objective.terms else None  # before the seed is set: a teacher may be built here
        model = fresh_network(prepared, params, ctx.device)
        result = train_task(ctx, VideoTask(model, prepared, objective, params, ctx.device, targets, params.finetune_epochs), "student")
    frames = prepared.train.view.count
    write_network(ctx, prepared, result, role="student", rep=params.rep, pred=params.pred, frames=frames)


def objective_of(params: Any) -> Objective:
    """The preset ``params.loss`` with the terms that the variant has, and the weights and distances that are set."""
    preset = PRESETS[params.loss]
    changes: dict[str, dict[str, Any]] = {
        "rep": {"weight": params.rep_weight},
        "pred": {"weight": params.pred_weight, "distance": params.pred_distance},
    }
    terms = [
        dataclasses.replace(term, **{name: value for name, value in changes[term.kind].items() if value is not None})
        for term in preset.terms
        if getattr(params, term.kind)
    ]
    return Objective(tuple(terms), params.ce_weight, params.ce_epsilon, params.ce_form)


def source(ctx: Context, prepared: Prepared) -> Dumped | Online:
    """Targets from the dump or from the teacher. Raises ConfigError if its representation has another width than the student's."""
    params, store = ctx.params, prepared.train.store
    found: Dumped | Online
    if params.targets == "cached":
        found = Dumped(ctx.inputs["dump"], store, ctx.device)
    else:
        found = Online(ctx.inputs["teacher"], store, ctx.device, training=params.targets == "online-train")
    width = representation_width(prepared.arguments)
    if params.rep and found.width != width:
        raise ConfigError(
            f"the teacher's representation is {found.width} wide, the student's {width}: L_rep compares them number by number",
            hint="give both the same width (hidden, cells), or distil predictions alone: student.pred",
        )
    return found
