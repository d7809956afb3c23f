"""Updates: what a training does with its batches, and how.

An epoch is one pass of every update over its batches, in the order in which the recipe names them. Most systems have one. A pass that
trains a generator on a frozen network and a pass that trains the network are two, each with an optimizer of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from models.training import distributed
from models.training.clipping import Clip
from models.training.schedules import Moment, Schedule, constant

#: a loss to minimise, terms to log (scalars), and the number of samples in the batch
Loss = tuple[Tensor, Mapping[str, Tensor], int]


@dataclass(frozen=True)
class Group:
    """Parameters that share a learning rate, a weight decay and a clip. ``name`` is for the curves, where there are several."""

    parameters: Sequence[nn.Parameter]
    rate: Schedule
    decay: Schedule = field(default_factory=lambda: constant(0.0))
    clip: Clip | None = None
    name: str = ""


def adam(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Adam with the usual betas (0.9, 0.999), eps 1e-8; one fused step, several times cheaper on a CPU."""
    return torch.optim.Adam(groups, fused=True)


@dataclass(frozen=True)
class Update:
    """How some parameters are trained.

    batches:    epoch -> the batches of its pass in order (indices, not data): a pure function of the seed and the epoch.
    loss:       batch -> :data:`Loss`.
    groups:     every parameter that the optimizer moves, once.
    optimizer:  called once with the groups in PyTorch's form.
    clip:       of all groups together, after those of the groups.
    accumulate: batches whose gradients make a step; each loss is divided by it, unless they are ``summed``.
    first:      batches that make the first step, 0: as many as the others.
    leftover:   a pass that ends in between makes a step of what there is, or with False drops it.
    scaler:     for half precision; gradients are averaged over processes, then unscaled, then clipped.
    after:      what follows a step of the optimizer, such as a moving average.
    """

    name: str
    batches: Callable[[int], Sequence[Any]]
    loss: Callable[[Any], Loss]
    groups: Sequence[Group]
    optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer] = adam
    clip: Clip | None = None
    accumulate: int = 1
    summed: bool = False
    first: int = 0
    leftover: bool = True
    scaler: torch.amp.GradScaler | None = None
    after: Callable[[Moment], None] | None = None


class Learner:
    """An update at work. ``prefix`` stands before its names in the curves; ``waiting`` batches have left gradients but made no step yet."""

    def __init__(self, update: Update, prefix: str = "") -> None:
        self.update, self.prefix = update, prefix
        start = Moment(0, 0, 0)
        self.optimizer = update.optimizer(
            [{"params": list(g.parameters), "lr": g.rate(start), "weight_decay": g.decay(start)} for g in update.groups]
        )
        self.parameters = [parameter for group in update.groups for parameter in group.parameters]
        self.batch = self.step = self.waiting = self.samples = 0
        self.sums: dict[str, Tensor] = {}
        self.used: dict[str, list[float]] = {}

    def learn(self, batch: Any, epoch: int, *, last: bool) -> None:
        """Learn from one batch; ``last`` says that none follows in this pass."""
        update, moment = self.update, Moment(epoch, self.batch, self.step)
        if self.waiting == 0:
            self.optimizer.zero_grad(set_to_none=True)
        for group, options in zip(update.groups, self.optimizer.param_groups, strict=True):
            options["lr"], options["weight_decay"] = group.rate(moment), group.decay(moment)
        loss, terms, samples = update.loss(batch)
        part = loss / update.accumulate if update.accumulate > 1 and not update.summed else loss
        (part if update.scaler is None else update.scaler.scale(part)).backward()
        self.batch, self.waiting = self.batch + 1, self.waiting + 1
        enough = update.first if update.first and self.step == 0 else update.accumulate
        if self.waiting == enough or (last and update.leftover):
            self._step(moment)
        if last:
            self.waiting = 0
            self.optimizer.zero_grad(set_to_none=True)  # the passes of other updates can use their memory
        self._add(distributed.average_terms({"loss": loss, **terms}), samples)

    def _step(self, moment: Moment) -> None:
        update, scaler = self.update, self.update.scaler
        for group, options in zip(update.groups, self.optimizer.param_groups, strict=True):
            self._note(group.name, options)
        distributed.average_gradients(self.parameters)
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        for group in update.groups:
            if group.clip is not None:
                group.clip(group.parameters)
        if update.clip is not None:
            update.clip(self.parameters)
        if scaler is None:
            self.optimizer.step()
        else:
            scaler.step(self.optimizer)
            scaler.update()
        self.step, self.waiting = self.step + 1, 0
        if update.after is not None:
            update.after(moment)

    def _note(self, group: str, options: Mapping[str, Any]) -> None:
        for name in ("rate",) if options["weight_decay"] == 0 else ("rate", "decay"):
            value = float(options["lr" if name == "rate" else "weight_decay"])
            first, _ = self.used.setdefault("_".join(filter(None, (name, self.prefix, group))), [value, value])
            self.used["_".join(filter(None, (name, self.prefix, group)))] = [first, value]

    def _add(self, terms: Mapping[str, Tensor], samples: int) -> None:
        for name, value in terms.items():
            part = value.detach().double() * samples
            self.sums[name] = self.sums[name] + part if name in self.sums else part
        self.samples += samples

    def close(self) -> dict[str, float]:
        """The epoch's record: means over its samples, and the rates that its steps used (the last, and the first if it was another)."""
        record = {name: last for name, (_, last) in self.used.items()}
        record |= {f"{name}_at_first": first for name, (first, last) in self.used.items() if first != last}
        record |= self.means()
        self.sums, self.samples, self.used = {}, 0, {}
        return record

    def means(self) -> dict[str, float]:
        """What was logged so far in this epoch."""
        return {"_".join(filter(None, ("train", self.prefix, name))): float(total) / self.samples for name, total in self.sums.items()}

    def state(self) -> dict[str, Any]:
        """All that a checkpoint needs beside the parameters; only while nothing is ``waiting``."""
        scaler = {} if self.update.scaler is None else self.update.scaler.state_dict()
        counts = {"batch": self.batch, "step": self.step, "samples": self.samples}
        return {"optimizer": self.optimizer.state_dict(), "scaler": scaler, "counts": counts, "sums": self.sums, "used": self.used}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state of :meth:`state`."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.update.scaler is not None and state["scaler"]:
            self.update.scaler.load_state_dict(state["scaler"])
        self.batch, self.step, self.samples = (state["counts"][name] for name in ("batch", "step", "samples"))
        device = self.parameters[0].device
        self.sums = {name: value.to(device) for name, value in state["sums"].items()}
        self.used = {name: list(values) for name, values in state["used"].items()}
