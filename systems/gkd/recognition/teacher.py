"""The ``teacher`` stage of recognition: I3D with attention, trained in two passes an epoch together with its CVAE, or published files.

Writes ``model.safetensors``, ``model.json``, ``curves.jsonl`` and ``cvae.safetensors`` (:mod:`systems.gkd.recognition.trained`).
"""

from __future__ import annotations

from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.gkd.recognition.first import arguments, take, with_first_weights
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.published import cvae_branch
from systems.gkd.recognition.trained import write
from systems.gkd.recognition.training import Pair, material, train


def run(ctx: Context) -> None:
    """Train the teacher, or take the checkpoint that is named, with its CVAE if one is named too."""
    params = ctx.params
    weighted = params.weighted is not False
    if "checkpoint" in ctx.files:
        take(ctx, "teacher", weighted, ctx.files.get("cvae_checkpoint"))
        return
    seen = material(ctx)
    make_deterministic(params.seed, threads=params.threads)
    own = arguments(params, "teacher", len(seen.split.classes))
    net = with_first_weights(ctx, Recogniser(**own))
    pair = Pair(net, cvae_branch(net), keep=True).to(ctx.device)
    result = train(ctx, pair, seen, weighted=weighted)
    write(ctx, result, own, seen.split.classes, weighted=weighted, weights=params.weights, **seen.about())
