"""The ``teacher`` stage: a network on all frames, trained on the labels, or taken from a published checkpoint.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`systems.fewerframes.trained`).
"""

from __future__ import annotations

from cache.digest import digest_file
from cache.stage import Context
from models.tensorflow_checkpoint import read_checkpoint
from models.training.result import Result
from systems.fewerframes.losses import Objective
from systems.fewerframes.published import load_published
from systems.fewerframes.train import VideoTask, fresh_network, prepare, together, train_task, validate
from systems.fewerframes.trained import write_network


def run(ctx: Context) -> None:
    """Train the teacher, or take the checkpoint that is named."""
    if "checkpoint" in ctx.files:
        take(ctx)
    else:
        together(ctx, work)


def work(ctx: Context) -> None:
    """The part of one process."""
    params = ctx.params
    prepared = prepare(ctx)
    objective = Objective(epsilon=params.ce_epsilon, form=params.ce_form)
    task = VideoTask(fresh_network(prepared, params, ctx.device), prepared, objective, params, ctx.device)
    write_network(ctx, prepared, train_task(ctx, task, "teacher"), role="teacher")


def take(ctx: Context) -> None:
    """Write the network of a TensorFlow checkpoint, and its GAP on the held-out videos as an only epoch.

    The index file, whose sha256 is in the key and in ``model.json``, has a checksum of every tensor, and all are verified. Raises
    DataError if a file is missing or damaged, or does not fit the network that the parameters describe.
    """
    params, path = ctx.params, ctx.files["checkpoint"]
    prepared = prepare(ctx)
    model = load_published(fresh_network(prepared, params, ctx.device), read_checkpoint(path), source=path.name).eval()
    state = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    scores = validate(model, prepared, params, ctx.device)
    curve = {"epoch": 0.0, **{f"val_{name}": value for name, value in scores.items()}}
    write_network(ctx, prepared, Result(state, 0, [curve], "gap"), role="teacher", checkpoint=digest_file(path))
