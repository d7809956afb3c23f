"""How pre-training moves its parameters: groups, clipping, and teachers that follow (spec 7, 8)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw as functional

from cache.errors import ConfigError
from models.training import distributed
from models.training.average import follow
from models.training.clipping import Clip, each_tensor
from models.training.schedules import Moment, Schedule, constant
from models.training.updates import Group
from systems.xkd.model import XKD

LONGEST = 0.3
EPSILON = 1e-6
ADAMW: dict[str, Any] = {"betas": (0.9, 0.95), "eps": 1e-8, "fused": True}


def adamw(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """AdamW with betas (0.9, 0.95), in one fused step."""
    return torch.optim.AdamW(groups, **ADAMW)


class Prompt(torch.optim.AdamW):
    """The same AdamW, which moves each parameter within the backward pass, as soon as its gradient is whole; the gradient goes at once.

    So there is never more than one gradient, and it is still in the processor's cache. Possible since gradients are clipped tensor by
    tensor: those of the parameters ``clipped`` are at most ``longest``. Rates must be set before the backward pass, as the loop does;
    one backward pass is one step. Its state is that of AdamW.
    """

    def __init__(self, groups: list[dict[str, Any]], clipped: Collection[nn.Parameter] = (), longest: float = LONGEST) -> None:
        super().__init__(groups, **ADAMW)
        self.longest, self.clipped = longest, {id(parameter) for parameter in clipped}
        for number, group in enumerate(self.param_groups):
            for parameter in group["params"]:
                # made at once: between the activations of a first step they would leave holes in the heap
                zeros = {name: torch.zeros_like(parameter) for name in ("exp_avg", "exp_avg_sq")}
                self.state[parameter] = {"step": torch.zeros((), device=parameter.device), **zeros}
                parameter.register_post_accumulate_grad_hook(partial(self._move, number))

    @torch.no_grad()
    def _move(self, number: int, parameter: Tensor) -> None:
        group, grad = self.param_groups[number], parameter.grad
        assert grad is not None
        longer = ((grad.norm() + EPSILON) / self.longest).clamp_min(1.0) if id(parameter) in self.clipped else None
        own = self.state[parameter]
        beta1, beta2 = group["betas"]
        how = {"amsgrad": False, "maximize": False, "grad_scale": longer, "beta1": beta1, "beta2": beta2}
        how |= {name: group[name] for name in ("lr", "weight_decay", "eps")}
        functional([parameter], [grad], [own["exp_avg"]], [own["exp_avg_sq"]], [], [own["step"]], fused=True, **how)
        parameter.grad = None


def prompt(net: XKD, longest: float = LONGEST) -> Callable[[list[dict[str, Any]]], torch.optim.Optimizer]:
    """For ``Update.optimizer``, in place of :func:`adamw` and :func:`clip_students`: for one process, without a scaler or accumulation.

    Raises ConfigError where several processes would each move their own network before gradients are averaged.
    """
    if distributed.size() > 1:
        raise ConfigError("parameters move within the backward pass of one process only", hint="use adamw and clip_students for several")
    return partial(Prompt, clipped=[*net.vid_student.parameters(), *net.aud_student.parameters()], longest=longest)


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
