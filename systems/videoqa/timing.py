"""The ``timing`` stage: how long each network takes to answer, on this machine. Writes ``timing.json`` (:mod:`models.timing`)."""

from __future__ import annotations

from functools import partial

from torch import nn

from cache.stage import Context
from models.timing import Example, time_networks
from models.training.artifact import read_network
from systems.videoqa import cost
from systems.videoqa.data import Features, Split
from systems.videoqa.model import DualVGR

NETWORKS = ("teacher", "student.alone", "student.kd", "student.question")


def run(ctx: Context) -> None:
    """Time questions of the median length, each about a video of its own."""
    features = Features(ctx.inputs["appearance"], ctx.inputs["motion"], memory_gb=0)
    tokens = int(Split(ctx.inputs["questions"], "test", features).lengths.median())
    frames = int(features.readers[0].shape[1])

    def load(name: str) -> tuple[nn.Module, Example]:
        model, about = read_network(ctx.inputs[name], DualVGR, ctx.device)
        return model, partial(cost.example, model, about, frames, tokens)

    time_networks(ctx, NETWORKS, load)
