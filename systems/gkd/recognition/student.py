"""The ``student`` stage of recognition: Top-I3D, alone or distilled from a teacher, or a published file.

Generative distillation is of the teacher's CVAE, attention distillation of the teacher's network, which sees every clip that the student
sees: crops are random, so there is nothing to dump. Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl``; the student's CVAE
is of no use once it is trained.
"""

from __future__ import annotations

from typing import Any

from cache.errors import DataError
from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.gkd.recognition import trained
from systems.gkd.recognition.first import arguments, take, with_shipped_weights
from systems.gkd.recognition.frozen_teacher import FrozenTeacher
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.published import cvae_branch
from systems.gkd.recognition.training import Material, Pair, material, train
from systems.gkd.recognition.two_steps import Teacher


def run(ctx: Context) -> None:
    """Train the student, or take the checkpoint that is named."""
    params = ctx.params
    taught = params.generative or params.attention
    weighted = (params.modality == "rgb" or taught) if params.weighted is None else params.weighted
    if "checkpoint" in ctx.files:
        take(ctx, "student", weighted)
        return
    seen = material(ctx)
    teacher = distilled_from(ctx, seen) if taught else None
    make_deterministic(params.seed, threads=params.threads)
    own = arguments(params, "student", len(seen.split.classes))
    net = with_shipped_weights(params.weights, Recogniser(**own))
    represented = taught if params.representation is None else params.representation
    pair = Pair(net, cvae_branch(net) if represented else None, keep=False).to(ctx.device)
    weights = {"generative": params.generative_weight, "beta": params.beta}
    result = train(ctx, pair, seen, teacher=teacher, weighted=weighted, **weights)
    learnt = {"generative": params.generative, "attention": params.attention, "representation": represented}
    trained.write(ctx, result, own, seen.split.classes, weighted=weighted, weights=params.weights, **learnt, **seen.about())


def distilled_from(ctx: Context, seen: Material) -> Teacher:
    """What a student learns from its teacher. Raises DataError for a teacher of other maps or classes, or without a CVAE."""
    params = ctx.params
    teacher = trained.read(ctx.inputs["teacher"], ctx.device)
    _check(params, teacher, seen)
    cvae = trained.read_cvae(ctx.inputs["teacher"], teacher.model, ctx.device) if params.generative else None
    if params.generative and cvae is None:
        hint = "--set teacher.cvae_checkpoint=PATH, or train the teacher"
        raise DataError("the teacher was taken from a file without its CVAE, and generative distillation is from that", hint=hint)
    return Teacher(cvae, FrozenTeacher(teacher.model) if params.attention else None)


def _check(params: Any, teacher: trained.Network, seen: Material) -> None:
    teacher.must_know(seen.split.classes, "the teacher", seen.split.name)
    for name in ("frames", "size", "width"):
        theirs, own = teacher.about["arguments"][name], getattr(params, name)
        if theirs != own:
            raise DataError(f"the teacher has {name} = {theirs}, the student {own}: their maps differ", hint=f"--set train.{name}={theirs}")
