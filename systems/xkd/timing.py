"""The ``timing`` stage: how long the encoders take for a clip, on this machine. Writes ``timing.json``.

A clip and its log-mel are in memory. See :mod:`models.timing`.
"""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from cache.stage import Context
from models.timing import time_networks
from systems.xkd.cost import load
from systems.xkd.params import LEARNS
from systems.xkd.trained import read


def run(ctx: Context) -> None:
    """Time the encoders of every pre-training."""
    names = [name for name in LEARNS if f"pretrain.{name}" in ctx.inputs]

    def of(name: str) -> tuple[nn.Module, partial[tuple[Tensor, ...]]]:
        network = read(ctx.inputs[f"pretrain.{name}"], ctx.device)
        return load(network, network.modalities, ctx.device)

    time_networks(ctx, names, of, "clip with its sound")
