"""The ``student`` stage: DualVGR with 1 graph layer, distilled or alone, with or without the video.

Writes ``model.safetensors``, ``model.json`` and ``curves.jsonl`` (:mod:`models.training.artifact`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from cache.errors import ConfigError
from cache.stage import Context
from models.training.artifact import read_network
from systems.videoqa.data import Batch, Split, Targets
from systems.videoqa.model import DualVGR
from systems.videoqa.train import Target, TargetSource, answer, train_network


def run(ctx: Context) -> None:
    """Train a student; what it learns from is in ``ctx.params``: ``kd``, ``targets`` and ``video``."""
    kd, video = ctx.params.kd, ctx.params.video
    train_network(ctx, "student", nothing=video == "none", target_of=lambda *seen: targets(ctx, *seen), kd=kd, video=video)


def targets(ctx: Context, train: Split, val: Split) -> TargetSource | None:
    """The source of what the teacher says: the dump, or the teacher itself in eval mode, or none without distillation.

    Raises ConfigError if the teacher's features have another width than the student's.
    """
    params = ctx.params
    if params.kd == "none":
        return None
    if params.targets == "online":
        teacher, _ = read_network(ctx.inputs["teacher"], DualVGR, ctx.device)
        source = online(teacher, logits=bool(params.kd_logits))
    else:
        names = ("fused", "logits") if params.kd_logits else ("fused",)
        dumped = {
            split.name: {name: Targets(ctx.inputs["dump"], split, name, memory_gb=params.memory_gb) for name in names}
            for split in (train, val)
        }
        source = cached(dumped)
    if source.width != params.module_dim and params.kd_projection == "none":
        raise ConfigError(
            f"the teacher's features are {source.width} wide, the student's {params.module_dim}: they are compared channel by channel",
            hint=f"--set student.module_dim={source.width}, or --set student.kd.kd_projection=linear",
        )
    return source


def cached(dumped: Mapping[str, Mapping[str, Targets]]) -> TargetSource:
    """Targets from a dump: split -> name (``fused``, ``logits``) -> rows."""

    def target(split: Split, data: Batch) -> Target:
        return Target(**{name: rows[data.rows].to(data.appearance.device) for name, rows in dumped[split.name].items()})

    return TargetSource(target, dumped["train"]["fused"].shape[-1])


def online(teacher: DualVGR, *, logits: bool = False) -> TargetSource:
    """Targets computed at every step by a frozen teacher; it draws no random number, so the student's dropouts are the same."""

    def target(split: Split, data: Batch) -> Target:
        with torch.no_grad():
            out = answer(teacher, data)
        return Target(out.fused, out.logits if logits else None)

    return TargetSource(target, teacher.module_dim)
