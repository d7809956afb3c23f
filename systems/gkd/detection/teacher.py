"""The ``teacher`` stage of detection: AFSD on I3D with attention, trained in two passes an epoch with its CVAE, or published files.

Writes ``model.safetensors``, ``model.json``, ``curves.jsonl`` and ``cvae.safetensors`` (:mod:`systems.gkd.detection.trained`).
"""

from __future__ import annotations

from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.gkd.detection.first import network_of, take, with_first_weights
from systems.gkd.detection.published import cvae_for
from systems.gkd.detection.trained import write
from systems.gkd.detection.training import Pair, material, train, weights_of


def run(ctx: Context) -> None:
    """Train the teacher, or take the checkpoint that is named, with its CVAE if one is named too."""
    params = ctx.params
    if "checkpoint" in ctx.files:
        take(ctx, "teacher", ctx.files.get("cvae_checkpoint"))
        return
    seen = material(ctx)
    make_deterministic(params.seed, threads=params.threads)
    weighted = params.weighted is not False
    net = with_first_weights(ctx, network_of(params, "teacher", len(seen.split.classes), attention=weighted))
    pair = Pair(net, cvae_for(net.shape) if weighted else None, keep=True).to(ctx.device)
    result = train(ctx, pair, seen, weights_of(params), None, None)
    write(ctx, result, net, seen.split.classes, weighted=weighted, weights=params.weights, **seen.about())
