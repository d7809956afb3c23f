"""The ``timing`` stage: how long each network takes for a video, on this machine. Writes ``timing.json`` (:mod:`models.timing`).

What is timed is the network: reading and normalising k frames is cheaper than 300 too, and not in it.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from cache.stage import Context
from models.timing import Example, time_networks
from systems.fewerframes.cost import example
from systems.fewerframes.trained import read_network


def run(ctx: Context) -> None:
    """Time every network on videos that fill its view."""

    def load(name: str) -> tuple[nn.Module, Example]:
        network = read_network(ctx.inputs[name], ctx.device)
        return network.model, partial(example, network)

    time_networks(ctx, [name for name in ctx.inputs if name.split(".")[0] in ("teacher", "student")], load)
