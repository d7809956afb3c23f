"""A task of one weight, whose every number can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cache.stage import Quiet
from models.training.loop import Recipe, fit
from models.training.pace import Pace
from models.training.result import Result
from models.training.schedules import Schedule, constant
from models.training.selection import Selection
from models.training.updates import Group, Update

BY_ACCURACY = Selection("accuracy")


class Scripted:
    """One weight, 1 at first; the loss of a batch is ``slope * weight``; what the validation measures comes from a list."""

    def __init__(self, accuracies: Sequence[float], slope: float = 1.0, samples: int = 5) -> None:
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.model.weight)
        self.accuracies, self.slope, self.samples = list(accuracies), slope, samples
        self.weights: list[float] = []

    def batches(self, epoch: int) -> Sequence[Tensor]:
        return torch.arange(self.samples).split(2)

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, Tensor], int]:
        assert self.model.training
        return self.slope * self.model.weight.sum(), {"index": batch.double().mean()}, len(batch)

    def kept(self) -> nn.Module:
        return self.model

    def validate(self) -> dict[str, float]:
        assert not self.model.training
        assert not torch.is_grad_enabled()
        self.weights.append(float(self.model.weight.detach()))
        return {"accuracy": self.accuracies[len(self.weights) - 1]}

    def update(self, rate: Schedule | None = None, *, decay: Schedule | None = None, **how: Any) -> Update:
        """Plain gradient descent."""
        group = Group(list(self.model.parameters()), rate or constant(0.01), decay or constant(0.0))
        return Update("network", self.batches, self.loss, [group], **{"optimizer": torch.optim.SGD, **how})


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Result]:
    """``run(task, update=..., select=..., pace=...)`` trains for as many epochs as the task has accuracies."""

    def train(task: Scripted, update: Update | None = None, select: Selection = BY_ACCURACY, **how: Any) -> Result:
        pace = how.pop("pace", None) or Pace()
        scratch = how.pop("scratch", tmp_path)
        recipe = Recipe(len(task.accuracies), how.pop("updates", [update or task.update()]), select, **how)
        return fit(task, recipe, scratch, Quiet, section="student", pace=pace)

    return train
