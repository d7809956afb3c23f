"""The ``student`` stage of detection: AFSD on Top-I3D, alone or distilled from a teacher, or a published file.

Alone it is plain AFSD: no attention, no CVAE. Generative distillation is of the teacher's CVAE, attention distillation of the teacher's
network, which sees every window that the student sees: crops are random, so there is nothing to dump. Writes ``model.safetensors``,
``model.json`` and ``curves.jsonl``; the student's CVAE is of no use once it is trained.
"""

from __future__ import annotations

from typing import Any

from cache.errors import DataError
from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.gkd.cvae import CVAE
from systems.gkd.detection import trained
from systems.gkd.detection.first import network_of, take, with_shipped_weights
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.published import cvae_for
from systems.gkd.detection.training import Pair, material, train, weights_of


def run(ctx: Context) -> None:
    """Train the student, or take the checkpoint that is named."""
    params = ctx.params
    if "checkpoint" in ctx.files:
        take(ctx, "student")
        return
    taught = params.generative or params.attention
    weighted = taught if params.weighted is None else params.weighted
    represented = weighted and (taught if params.representation is None else params.representation)
    seen = material(ctx)
    network, cvae = distilled_from(ctx, seen.split.classes) if taught else (None, None)
    make_deterministic(params.seed, threads=params.threads)
    net = with_shipped_weights(params.weights, network_of(params, "student", len(seen.split.classes), attention=weighted))
    pair = Pair(net, cvae_for(net.shape) if represented else None, keep=False).to(ctx.device)
    result = train(ctx, pair, seen, weights_of(params, params.beta), network, cvae)
    learnt = {"generative": params.generative, "attention": params.attention, "representation": represented}
    trained.write(ctx, result, net, seen.split.classes, weighted=weighted, weights=params.weights, **learnt, **seen.about())


def distilled_from(ctx: Context, classes: tuple[str, ...]) -> tuple[Detector | None, CVAE | None]:
    """The teacher's network and CVAE, each if it is learnt from. Raises DataError for a teacher of other maps or classes, or without."""
    params, source = ctx.params, ctx.inputs["teacher"]
    teacher = trained.read(source, ctx.device)
    _check(params, teacher, classes)
    cvae = trained.read_cvae(source, teacher.model.shape, ctx.device) if params.generative else None
    if params.generative and cvae is None:
        hint = "--set teacher.cvae_checkpoint=PATH, or train the teacher"
        raise DataError("the teacher was taken from a file without its CVAE, and generative distillation is from that", hint=hint)
    if params.attention and not teacher.model.has_attention:
        raise DataError("the teacher has no attention to be learnt from", hint="--set teacher.weighted=true")
    return (teacher.model if params.attention else None), cvae


def _check(params: Any, teacher: trained.Network, classes: tuple[str, ...]) -> None:
    teacher.must_know(classes, "the teacher", "the dataset")
    for name, theirs in (("frames", teacher.model.shape.frames), ("size", teacher.model.shape.crop), ("width", teacher.model.shape.width)):
        own = getattr(params, name)
        if theirs != own:
            raise DataError(f"the teacher has {name} = {theirs}, the student {own}: their maps differ", hint=f"--set train.{name}={theirs}")
