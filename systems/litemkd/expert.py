"""The ``expert`` stage: a network of one modality, trained on episodes of few-shot/train, or taken from a published checkpoint.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`systems.litemkd.trained`).
"""

from __future__ import annotations

from typing import Any

from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.litemkd.episodic import train
from systems.litemkd.first import Material, checkpoint, freeze, seen, stepping, take, trunk_net
from systems.litemkd.lessons import ExpertLesson
from systems.litemkd.single import Single
from systems.litemkd.trained import build, write


def run(ctx: Context) -> None:
    """Train the expert, or take the checkpoint that is named."""
    params = ctx.params
    if "checkpoint" in ctx.files:
        state = checkpoint(ctx.files["checkpoint"])
        whole = params.kind == "trx" and any(name.startswith("attn_pat.") for name in state)
        take(ctx, {**arguments(params), "published": whole}, state, modality=params.modality, **seen(params))
        return
    material = Material(ctx)
    make_deterministic(params.seed, threads=params.threads)
    model: Single = build(**arguments(params), net=trunk_net(ctx)).to(ctx.device)  # type: ignore[assignment]
    source: Any = material.pictures
    look = material.look if params.trunk == "trained" else None
    learns = stepping(ctx, model.get_submodule(model.trunk_name))
    if look is None:
        freeze(model.get_submodule(model.trunk_name))
        source = material.frozen(ctx, model.features)
        make_deterministic(params.seed, threads=params.threads)
    lesson = ExpertLesson(model, source, look, params.seed, ctx.device)
    result = train(ctx, lesson, material.pools)
    write(ctx, result, arguments(params), modality=params.modality, **learns, **material.about(params))


def arguments(params: Any) -> dict[str, Any]:
    """What the network is built of."""
    names = ("kind", "out_dim", "cardinalities", "frames", "dropout")
    return {"role": "expert", "network": params.backbone, **{name: getattr(params, name) for name in names}}
