"""The ``teacher`` stage: the modalities' dumped features, fused (MFM), trained on episodes, or taken from a published checkpoint.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`systems.litemkd.trained`). No picture is read here.
"""

from __future__ import annotations

from typing import Any

from cache.errors import ConfigError
from cache.stage import Context
from models.training.determinism import make_deterministic
from systems.litemkd import published
from systems.litemkd.dumped import Dumped
from systems.litemkd.episodic import about, pools, section_of, train
from systems.litemkd.first import checkpoint, must_agree, take
from systems.litemkd.lessons import TeacherLesson
from systems.litemkd.mfm import MFM
from systems.litemkd.trained import build, write
from systems.litemkd.videos import listed, note


def run(ctx: Context) -> None:
    """Train the teacher, or take the checkpoint that is named; its variant cannot be told from it (quirk 25)."""
    params = ctx.params
    if "checkpoint" in ctx.files:
        state = checkpoint(ctx.files["checkpoint"])
        found = published.teacher_options(state)
        must_agree(ctx, {name: found[name] for name in ("cardinalities", "layers", "frames", "out_dim")})
        take(ctx, arguments(params, found["dim"]), state, modalities=params.modalities)
        return
    dumps = open_dumps(ctx)
    index = ctx.inputs["index"]
    videos, val = listed(index, "train"), listed(index, "val") if params.select == "val" else []
    there = set.intersection(*(set(dump.ids) for dump in dumps))
    note(ctx.ledger, [*videos, *val], there)
    own = pools(ctx, videos, val, there)
    make_deterministic(params.seed, threads=params.threads)
    made = arguments(params, dumps[0].width)
    model: MFM = build(**made).to(ctx.device)  # type: ignore[assignment]
    if params.standardise == "train":
        seen = [video.name for videos in own[0].videos for video in videos]
        model.measure([dump.features(seen).to(ctx.device) for dump in dumps])
    result = train(ctx, TeacherLesson(model, dumps, ctx.device), own)
    write(ctx, result, made, modalities=params.modalities, videos=about(own))


def arguments(params: Any, dim: int) -> dict[str, Any]:
    """What the network is built of; its shifts in dumps are those of the stage that dumps."""
    names = ("out_dim", "cardinalities", "layers", "frames", "dropout", "feedforward", "shift")
    shifts = {"flow_train": params.switch("flow_train"), "query": params.switch("query")}
    own = {"variant": params.chosen, "dim": dim, "shifts": shifts, "otam_logits": params.switch("otam_logits")}
    if params.standardise == "train":
        own["standardise"] = True
    return {"role": "teacher", **own, **{name: getattr(params, name) for name in names}}


def open_dumps(ctx: Context) -> list[Dumped]:
    """The dumps of the modalities, in order. Raises ConfigError if their features are of different sizes."""
    dumps = {modality: Dumped(ctx.inputs[modality]) for modality in ctx.params.modalities}
    sizes = {modality: (dump.frames, dump.width) for modality, dump in dumps.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{modality} {frames} x {width}" for modality, (frames, width) in sizes.items())
        raise ConfigError(f"the teacher fuses features of one size, and the dumps have {told}", hint="give all experts one network")
    frames = getattr(ctx.params, "frames", dumps["rgb"].frames)
    if dumps["rgb"].frames != frames:
        raise ConfigError(
            f"the dumps have {dumps['rgb'].frames} frames of a video, and {section_of(ctx)}.frames is {frames}",
            hint=f"--set train.frames={dumps['rgb'].frames}",
        )
    return list(dumps.values())
