"""The ``teacher`` stage: DualVGR with 4 graph layers, trained on the hard loss alone.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`models.training.artifact`).
"""

from __future__ import annotations

from cache.stage import Context
from systems.videoqa.train import train_network


def run(ctx: Context) -> None:
    """Train the teacher."""
    train_network(ctx, "teacher", nothing=False, target_of=lambda train, val: None, video="full")
