"""The ``student`` stage: a network on k frames, alone or distilled.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`systems.fewerframes.checkpoint`).
"""

from __future__ import annotations

import dataclasses
from typing import Any

from cache.errors import ConfigError
from cache.stage import Context
from systems.fewerframes.checkpoint import write_network
from systems.fewerframes.losses import PRESETS, Objective
from systems.fewerframes.parallel import train_parallel
from systems.fewerframes.targets import Dumped, Online, representation_width
from systems.fewerframes.train import Prepared, VideoTask, fresh_network, prepare, together, train_task


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
        finetune = params.finetune_epochs
        result = train_task(
            ctx,
            VideoTask(model, prepared.train, prepared.held, prepared.normalisation, objective, params, ctx.device, targets, finetune),
            "student",
        )
    about = {
        "role": "student",
        "seed": params.seed,
        "rep": params.rep,
        "pred": params.pred,
        "frames": prepared.train.view.count,
        "videos": {"train": len(prepared.train), "held out": len(prepared.held)},
    }
    write_network(ctx.out, prepared.arguments, prepared.normalisation, prepared.train.view, result, about)


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
