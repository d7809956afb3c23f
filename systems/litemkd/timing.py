"""The ``timing`` stage: how long each network takes for an episode, on this machine. Writes ``timing.json`` (:mod:`models.timing`).

An episode's frames are in memory, as the network sees them, and its backbone runs on all of them, as published; an evaluation shares
features between episodes, and is faster. A teacher's time has that of its experts in it, not that of deriving flow and depth.
"""

from __future__ import annotations

from functools import partial

from torch import nn

from cache.stage import Context
from models.timing import Example, time_networks
from systems.litemkd.episodes import Shape
from systems.litemkd.networks import named, read_all, whole_of


def run(ctx: Context) -> None:
    """Time every network on episodes of one shape."""
    params = ctx.params
    networks = read_all(ctx)

    def load(name: str) -> tuple[nn.Module, Example]:
        whole, frames, sizes = whole_of(name, networks, Shape(params.way, params.shot, params.queries))
        return whole, partial(whole.example, frames=frames, sizes=sizes, device=ctx.device)

    time_networks(ctx, named(ctx.inputs), load, "episode")
