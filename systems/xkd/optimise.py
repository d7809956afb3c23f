"""How pre-training moves its parameters: groups, clipping, and teachers that follow (spec 7, 8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from models.training.average import follow
from models.training.clipping import Clip, each_tensor
from models.training.schedules import Moment, Schedule, constant
from models.training.updates import Group
from systems.xkd.model import XKD

LONGEST = 0.3
EPSILON = 1e-6


def adamw(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """AdamW with betas (0.9, 0.95), in one fused step."""
    return torch.optim.AdamW(groups, betas=(0.9, 0.95), eps=1e-8, fused=True)


def split(net: nn.Module) -> tuple[list[str], list[str]]:
    """Names of the trained parameters without and with weight decay. Tokens and position tables do decay (quirk 7)."""
    names: tuple[list[str], list[str]] = [], []
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            names[not (parameter.ndim == 1 or name.endswith(".bias"))].append(name)
    return names


def groups(net: nn.Module, rate: Schedule, decay: Schedule) -> list[Group]:
    """The two groups of the published optimizer, in its order."""
    parameters = dict(net.named_parameters())
    still, decaying = ([parameters[name] for name in names] for names in split(net))
    return [Group(still, rate, constant(0.0), name="still"), Group(decaying, rate, decay, name="decaying")]


def clip_students(net: XKD, longest: float = LONGEST) -> Clip:
    """Scale every gradient tensor of both students, each on its own; what they share twice, decoders never (quirk 5).

    For ``Update.clip``: which parameters are in the update makes no difference.
    """
    clip = each_tensor(longest, epsilon=EPSILON)

    def students(_: Sequence[nn.Parameter]) -> None:
        for student in (net.vid_student, net.aud_student):
            clip(list(student.parameters()))

    return students


def teachers_follow(net: XKD, video: Schedule, audio: Schedule) -> Callable[[Moment], None]:
    """For ``Update.after``: teachers as moving averages of momenta ``video`` and ``audio``.

    Blocks that both teachers share move twice (quirk 6).
    """

    def after(moment: Moment) -> None:
        for (teacher, student), momentum in zip(net.pairs(), (video, audio)):
            follow(teacher, student, momentum(moment))

    return after
