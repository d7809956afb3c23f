"""The ``teacher`` stage: a network on all frames, trained on the labels.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`systems.fewerframes.checkpoint`).
"""

from __future__ import annotations

from cache.stage import Context
from systems.fewerframes.checkpoint import write_network
from systems.fewerframes.losses import Objective
from systems.fewerframes.train import VideoTask, fresh_network, prepare, together, train_task


def run(ctx: Context) -> None:
    """Train the teacher."""
    together(ctx, work)


def work(ctx: Context) -> None:
    """The part of one process."""
    params = ctx.params
    prepared = prepare(ctx)
    objective = Objective(epsilon=params.ce_epsilon, form=params.ce_form)
    model = fresh_network(prepared, params, ctx.device)
    task = VideoTask(model, prepared.train, prepared.held, prepared.normalisation, objective, params, ctx.device)
    result = train_task(ctx, task)
    about = {"role": "teacher", "seed": params.seed, "videos": {"train": len(prepared.train), "held out": len(prepared.held)}}
    write_network(ctx.out, prepared.arguments, prepared.normalisation, prepared.train.view, result, about)
