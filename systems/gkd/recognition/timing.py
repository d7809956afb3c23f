"""The ``timing`` stage of recognition: how long each network takes for a clip, on this machine. Writes ``timing.json``.

A clip is in memory, as the network sees it. See :mod:`models.timing`.
"""

from __future__ import annotations

from cache.stage import Context
from models.timing import time_networks
from systems.gkd.compared import named
from systems.gkd.recognition.costs import load
from systems.gkd.recognition.trained import read


def run(ctx: Context) -> None:
    """Time every network."""
    time_networks(ctx, named(ctx.inputs), lambda name: load(read(ctx.inputs[name], ctx.device), ctx.device))
