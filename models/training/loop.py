"""The training loop that all systems share.

A system brings a :class:`Task` (a network, its batches, its loss, its validation); :func:`fit` brings epochs, the optimizer,
the learning rate, gradient clipping, selection of the best epoch on the validation split, early stopping, curves, and a
checkpoint from which a killed run goes on to the same bits as an uninterrupted one.

Several processes can share every batch (:mod:`models.training.distributed`): then each runs this loop on its slices, gradients
are averaged, and the first process writes the checkpoint. The limit: a task whose batches depend on (seed, epoch) alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from cache.errors import DataError
from cache.stage import Progress
from models.training import checkpoint, distributed
from models.training.determinism import random_state, restore_random_state

#: what selects the best epoch; the higher the better
SELECTED_BY = "accuracy"

State = dict[str, Tensor]


class Task(Protocol):
    """What a system gives to the loop."""

    model: nn.Module

    def batches(self, epoch: int) -> Sequence[Any]:
        """The batches of ``epoch`` in order (indices, not data): a pure function of the seed and the epoch."""
        ...

    def loss(self, batch: Any) -> tuple[Tensor, Mapping[str, Tensor], int]:
        """The loss to minimise, the terms to log (scalars), and the number of samples in the batch."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Means over the validation split, ``"accuracy"`` among them; the model is in eval mode."""
        ...


def adam(parameters: Iterable[nn.Parameter], rate: float) -> torch.optim.Optimizer:
    """Adam with the usual betas (0.9, 0.999), eps 1e-8, no weight decay; one fused step, several times cheaper on a CPU."""
    return torch.optim.Adam(parameters, lr=rate, fused=True)


def step_rate(rate: float, steps: Sequence[int], decay: float) -> Callable[[int], float]:
    """Epoch (from 0) -> learning rate, multiplied by ``decay`` once ``steps[i]`` epochs are done."""
    return lambda epoch: rate * decay ** sum(epoch >= step for step in steps)


@dataclass(frozen=True)
class Recipe:
    """How to train.

    rate:     learning rate of an epoch (see :func:`step_rate`).
    clip:     largest total norm of the gradient; 0 leaves it as it is.
    patience: stop after so many epochs without a better validation accuracy; 0 never stops early.
    optimizer: called once with the parameters and the first learning rate.
    """

    epochs: int
    rate: Callable[[int], float]
    clip: float = 0.0
    patience: int = 0
    optimizer: Callable[[Iterable[nn.Parameter], float], torch.optim.Optimizer] = adam


@dataclass
class Progressed:
    """Where training stands: everything beside the weights and the optimizer. ``best_epoch`` is -1 before the first epoch ends."""

    epoch: int = 0
    step: int = 0
    sums: dict[str, Tensor] = field(default_factory=dict)  # of this epoch: term -> sum over samples (float64)
    samples: int = 0
    best_epoch: int = -1
    best: State = field(default_factory=dict)
    curves: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    """The weights of the best epoch (on the CPU), which epoch that was (from 0), its accuracy, and one record an epoch."""

    best: State
    best_epoch: int
    best_accuracy: float
    curves: list[dict[str, float]]


def fit(task: Task, recipe: Recipe, scratch: Path, progress: Callable[..., Progress], *, every_seconds: float = 30.0) -> Result:
    """Train ``task.model`` and return the weights of its best epoch.

    The best epoch is the first with the highest validation accuracy (a later one must be strictly better).
    The state is written to ``scratch`` after every epoch and about every ``every_seconds``; when it changes nothing in
    the result. Raises DataError if the loss is no longer finite.
    """
    model = task.model
    optimizer = recipe.optimizer(model.parameters(), recipe.rate(0))
    at = _resume(model, optimizer, scratch)
    saved = time.monotonic()
    steps = len(task.batches(0))
    with progress("train", total=recipe.epochs * steps) as bar:
        bar.step(at.epoch * steps + at.step)
        while at.epoch < recipe.epochs and not _patience_is_out(at, recipe):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate(at.epoch)
            model.train()
            for batch in task.batches(at.epoch)[at.step :]:
                optimizer.zero_grad(set_to_none=True)
                loss, terms, samples = task.loss(batch)
                loss.backward()
                distributed.average_gradients(model.parameters())
                if recipe.clip > 0:
                    nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
                optimizer.step()
                _add(at, distributed.average_terms({"loss": loss, **terms}), samples)
                at.step += 1
                bar.step()
                if time.monotonic() - saved > every_seconds:
                    _save(model, optimizer, at, scratch)
                    saved = time.monotonic()
            model.eval()
            with torch.no_grad():
                _close_epoch(at, recipe.rate(at.epoch), task.validate(), model)
            _save(model, optimizer, at, scratch)
            saved = time.monotonic()
    return Result(at.best, at.best_epoch, _best_accuracy(at), at.curves)


def _add(at: Progressed, terms: Mapping[str, Tensor], samples: int) -> None:
    for name, value in terms.items():
        part = value.detach().double() * samples
        at.sums[name] = at.sums[name] + part if name in at.sums else part
    at.samples += samples


def _close_epoch(at: Progressed, rate: float, validation: Mapping[str, float], model: nn.Module) -> None:
    record: dict[str, float] = {"epoch": at.epoch, "rate": rate}
    record |= {f"train_{name}": float(total) / at.samples for name, total in at.sums.items()}
    record |= {f"val_{name}": float(value) for name, value in validation.items()}
    for name, value in record.items():
        if not math.isfinite(value):
            raise DataError(
                f"training diverged: {name} is {value} in epoch {at.epoch}", hint="lower the learning rate: --set {section}.lr=..."
            )
    if at.best_epoch < 0 or record[f"val_{SELECTED_BY}"] > _best_accuracy(at):
        at.best_epoch = at.epoch
        at.best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    at.curves.append(record)
    at.epoch, at.step, at.sums, at.samples = at.epoch + 1, 0, {}, 0


def _best_accuracy(at: Progressed) -> float:
    return at.curves[at.best_epoch][f"val_{SELECTED_BY}"]


def _patience_is_out(at: Progressed, recipe: Recipe) -> bool:
    return recipe.patience > 0 and at.best_epoch >= 0 and at.epoch - 1 - at.best_epoch >= recipe.patience


def _save(model: nn.Module, optimizer: torch.optim.Optimizer, at: Progressed, scratch: Path) -> None:
    if distributed.rank() > 0:
        return
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "random": random_state(), "at": vars(at)}
    checkpoint.save(scratch, state)


def _resume(model: nn.Module, optimizer: torch.optim.Optimizer, scratch: Path) -> Progressed:
    device = next(model.parameters()).device
    state = checkpoint.load(scratch)
    if state is None:
        return Progressed()
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    restore_random_state(state["random"])
    at = Progressed(**state["at"])
    at.sums = {name: value.to(device) for name, value in at.sums.items()}
    return at
