"""The ``teacher`` stage: DualVGR with 4 graph layers, trained on the hard loss alone.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`models.training.artifact`).
"""

from __future__ import annotations

from cache.stage import Context
from models.training.artifact import write_network
from systems.videoqa.train import train_network


def run(ctx: Context) -> None:
    """Train the teacher."""
    arguments, result, task = train_network(ctx, "teacher", nothing=False, target_of=lambda train, val: None)
    coverage = {split.name: {"questions": split.total, "lost": len(split.lost)} for split in (task.train, task.val)}
    about = {"role": "teacher", "arguments": arguments, "seed": ctx.params.seed, "video": "full", "questions": coverage}
    write_network(ctx.out, result, about)
