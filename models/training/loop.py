"""The training loop that all systems share.

A system brings a :class:`Task` (its networks, what is kept of them, its validation) and a :class:`Recipe` (how many epochs, the updates of
each, which epoch is kept). :func:`fit` brings the epochs, the curves, and a checkpoint from which a killed run goes on to the same bits
as an uninterrupted one, as far as the operations repeat their bits (:func:`models.training.determinism.noting`).

Several processes can share every batch (:mod:`models.training.distributed`): then each runs this loop on its slices, gradients are
averaged, and the first process writes the checkpoint and decides what depends on the validation. The limit: batches that depend on
(seed, epoch) alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from cache.errors import ConfigError, DataError, StoreError
from cache.stage import Epoch, Progress
from models.heap import kept_heap
from models.training import distributed
from models.training.checkpoint import Checkpoint, State
from models.training.determinism import noting, random_state, restore_random_state
from models.training.pace import Pace
from models.training.result import Result
from models.training.selection import LAST, Selection
from models.training.updates import Learner, Update


class Task(Protocol):
    """What a system gives to the loop."""

    model: nn.Module
    """Everything that changes in training: what learns, what follows it, what is thrown away afterwards. A checkpoint holds it."""

    def kept(self) -> nn.Module:
        """The part of ``model`` that the artifact holds."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Means over the validation split, nothing if there is none; the model is in eval mode."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How to train: every epoch is a pass of each update, in this order; ``select`` says which epoch is kept.

    ``validate_every``: validate after every so many epochs, and after the last. ``keep_memory``: what a step frees stays in the process
    for the next (:mod:`models.heap`).
    """

    epochs: int
    updates: Sequence[Update]
    select: Selection = LAST
    validate_every: int = 1
    keep_memory: bool = True


@dataclass
class Place:
    """Where training stands: the epoch, which of its updates is passing, how many batches of this pass are done."""

    epoch: int = 0
    update: int = 0
    batch: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    unrepeatable: list[str] = field(default_factory=list)


def fit(task: Task, recipe: Recipe, scratch: Path, progress: Callable[..., Progress], *, section: str, pace: Pace | None = None) -> Result:
    """Train ``task.model`` and return the weights that are kept.

    ``section`` is the part of the configuration that holds the learning rate, for messages. The state goes to ``scratch`` as often as
    ``pace`` says; when it does changes nothing in the result. Raises DataError if something logged is no longer finite, ConfigError if
    processes see other scratch directories.
    """
    training = Training(task, recipe, scratch, section, pace or Pace())
    at, learners = training.at, training.learners
    sizes = [len(update.batches(0)) for update in recipe.updates]
    memory = kept_heap() if recipe.keep_memory else nullcontext()
    with memory, noting(at.unrepeatable), progress("train", total=recipe.epochs * sum(sizes)) as bar:
        bar.step(at.epoch * sum(sizes) + sum(sizes[: at.update]) + at.batch, note=f"epoch {at.epoch + 1}/{recipe.epochs}")
        while at.epoch < recipe.epochs and not recipe.select.ended(at.curves):
            for learner in learners[at.update :]:
                task.model.train()
                batches = learner.update.batches(at.epoch)
                for batch in batches[at.batch :]:
                    at.batch += 1
                    learner.learn(batch, at.epoch, last=at.batch == len(batches))
                    bar.step()
                    if learner.waiting == 0:
                        training.save(between=False)
                at.update, at.batch = at.update + 1, 0
            training.close_epoch()
            bar.epoch(training.told())
            training.save(between=True, last=at.epoch == recipe.epochs or recipe.select.ended(at.curves))
    return training.result()


class Training:
    """A training at work: where it stands, what it keeps, and its checkpoint."""

    def __init__(self, task: Task, recipe: Recipe, scratch: Path, section: str, pace: Pace) -> None:
        several = len(recipe.updates) > 1
        self.learners = [Learner(update, update.name if several else "") for update in recipe.updates]
        self.task, self.recipe, self.section, self.pace = task, recipe, section, pace
        self.at = Place()
        self.kept: State = {}
        self.kept_changed = False
        self.checkpoint = Checkpoint(scratch)
        self._resume()

    def close_epoch(self) -> None:
        """Validate, write the epoch's record, and take a copy of the weights if they are the best so far."""
        at, recipe = self.at, self.recipe
        record: dict[str, float] = {"epoch": at.epoch}
        for learner in self.learners:
            record |= learner.close()
        if (at.epoch + 1) % recipe.validate_every == 0 or at.epoch + 1 == recipe.epochs:
            self.task.model.eval()
            with torch.no_grad():
                record |= {f"val_{name}": float(value) for name, value in self.task.validate().items()}
        record = distributed.agree(record)
        self._check_finite(record)
        at.curves.append(record)
        if recipe.select.by and recipe.select.best(at.curves) == at.epoch:
            copy_weights(self.task.kept(), self.kept)
            self.kept_changed = True
        at.epoch, at.update = at.epoch + 1, 0

    def told(self) -> Epoch:
        """What is to be said of the epoch that was closed."""
        at, select = self.at, self.recipe.select
        return Epoch(at.epoch, self.recipe.epochs, dict(at.curves[-1]), select.by and f"val_{select.by}", select.best(at.curves) + 1)

    def save(self, *, between: bool, last: bool = False) -> None:
        """Write a checkpoint if it is time for one, ``between`` epochs or in the middle of one; always after the ``last``."""
        if distributed.rank() > 0 or not (last or self.pace.due(between=between)):
            return
        for learner in self.learners:
            self._check_finite(learner.means())  # what is lost already is not worth keeping
        with self.pace.saving():
            learners = [learner.state() for learner in self.learners]
            state = {"model": self.task.model.state_dict(), "learners": learners, "random": random_state(), "at": vars(self.at)}
            self.checkpoint.save(state, self.kept if self.kept_changed else None)
        self.kept_changed = False

    def result(self) -> Result:
        """What is kept. Raises ConfigError if an epoch was to be selected by a validation and none took place."""
        select, at = self.recipe.select, self.at
        epoch = select.best(at.curves)
        if epoch < 0:
            raise ConfigError(
                f"{self.section}: no epoch was trained and validated, so there is none to keep", hint="train one epoch or more"
            )
        weights = self.kept if select.by else copy_weights(self.task.kept(), {})
        return Result(weights, epoch, at.curves, select.by, at.unrepeatable)

    def _resume(self) -> None:
        scratch = self.checkpoint.scratch
        distributed.check_shared(scratch)
        state = self.checkpoint.load(sweep=distributed.rank() == 0)
        if len(set(distributed.gather(self.checkpoint.digest))) > 1:
            raise StoreError(f"the processes read different checkpoints in {scratch}", hint="remove it: the training then starts over")
        if state is None:
            return
        self.task.model.load_state_dict(state["model"])
        for learner, own in zip(self.learners, state["learners"], strict=True):
            learner.restore(own)
        restore_random_state(state["random"])
        self.at = Place(**state["at"])
        del state
        self.kept = self.checkpoint.kept()

    def _check_finite(self, record: Mapping[str, float]) -> None:
        for name, value in record.items():
            if not math.isfinite(value):
                raise DataError(
                    f"training diverged: {name} is {value} in epoch {self.at.epoch}",
                    hint=f"lower the learning rate: --set {self.section}.lr=...",
                )


def copy_weights(module: nn.Module, into: State) -> State:
    """Copy the weights into tensors on the CPU, those of ``into`` where they are there: never a second copy."""
    for name, value in module.state_dict().items():
        if name in into:
            into[name].copy_(value)
        else:
            into[name] = value.detach().to("cpu", copy=True)
    return into
