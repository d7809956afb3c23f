"""The stage's work: the world as an artifact."""

from __future__ import annotations

from cache.stage import Context
from world.generate import generate
from world.layout import Shown
from world.truth import videos


def run(ctx: Context) -> None:
    """Write the world into ``ctx.out``; it plays the part of the data root for the stages that follow."""
    p = ctx.params
    shown = Shown(p.actions, p.setting, p.clips, p.groups)
    generate(ctx.out, p.layout, p.size, p.seed, workers=ctx.workers, progress=ctx.progress, shown=shown)
    for row in videos(ctx.out):
        ctx.ledger.add(str(row["id"]), "ok")
