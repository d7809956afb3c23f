"""What the shared loop promises: the schedule, the selection, early stopping, the curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from cache.errors import DataError
from models.training import checkpoint
from models.training.determinism import epoch_order, make_deterministic
from models.training.loop import Recipe, fit, step_rate


class Bar:
    def __init__(self) -> None:
        self.n = 0

    def step(self, n: int = 1, note: str = "") -> None:
        self.n += n

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


class Scripted:
    """One weight; the loss of a sample is ``slope * weight``; validation accuracies come from a list."""

    def __init__(self, accuracies: Sequence[float], slope: float = 1.0, samples: int = 5) -> None:
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.model.weight)
        self.accuracies, self.slope, self.samples = list(accuracies), slope, samples
        self.epochs: list[int] = []
        self.weights: list[float] = []

    def batches(self, epoch: int) -> Sequence[torch.Tensor]:
        self.epochs.append(epoch)
        return torch.arange(self.samples).split(2)

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
        assert self.model.training
        return self.slope * self.model.weight.sum(), {"index": batch.double().mean()}, len(batch)

    def validate(self) -> dict[str, float]:
        assert not self.model.training
        assert not torch.is_grad_enabled()
        self.weights.append(float(self.model.weight.detach()))
        return {"accuracy": self.accuracies[len(self.weights) - 1]}


def sgd(parameters: object, rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=rate)


def run(task: Scripted, scratch: Path, **recipe: object):
    defaults = {"epochs": len(task.accuracies), "rate": lambda epoch: 0.01, "optimizer": sgd}
    return fit(task, Recipe(**{**defaults, **recipe}), scratch, lambda *a, **k: Bar())


def test_the_first_of_equally_good_epochs_is_kept_with_its_weights(tmp_path: Path) -> None:
    task = Scripted([0.2, 0.5, 0.4, 0.5])
    result = run(task, tmp_path)
    assert (result.best_epoch, result.best_accuracy) == (1, 0.5)
    assert float(result.best["weight"]) == task.weights[1] != task.weights[3]


def test_an_accuracy_of_zero_still_yields_a_network(tmp_path: Path) -> None:
    assert run(Scripted([0.0, 0.0]), tmp_path).best_epoch == 0


def test_training_stops_when_patience_runs_out(tmp_path: Path) -> None:
    result = run(Scripted([0.2, 0.5, 0.4, 0.5, 0.3, 0.9]), tmp_path, patience=2)
    assert len(result.curves) == 4
    assert result.best_epoch == 1


def test_without_patience_every_epoch_is_run(tmp_path: Path) -> None:
    assert len(run(Scripted([0.5, 0.4, 0.3, 0.2]), tmp_path).curves) == 4


def test_the_rate_is_halved_after_the_given_numbers_of_epochs(tmp_path: Path) -> None:
    rate = step_rate(1e-4, (10, 20), 0.5)
    assert [rate(epoch) for epoch in (0, 9, 10, 19, 20, 24)] == [1e-4, 1e-4, 5e-5, 5e-5, 2.5e-5, 2.5e-5]
    task = Scripted([0.1, 0.1])
    curves = run(task, tmp_path, rate=step_rate(0.1, (1,), 0.5)).curves
    assert [record["rate"] for record in curves] == [0.1, 0.05]
    assert task.weights == pytest.approx([1 - 3 * 0.1, 1 - 3 * 0.1 - 3 * 0.05])


def test_the_gradient_is_clipped_to_its_total_norm(tmp_path: Path) -> None:
    task = Scripted([0.1], slope=1000.0)
    run(task, tmp_path, clip=12.0, rate=lambda epoch: 0.01)
    assert task.weights[0] == pytest.approx(1 - 3 * 0.01 * 12, rel=1e-4)


def test_logged_losses_are_means_over_samples_not_over_batches(tmp_path: Path) -> None:
    assert run(Scripted([0.1]), tmp_path).curves[0]["train_index"] == pytest.approx(2.0)  # mean of 0..4, batches of 2, 2 and 1


def test_a_loss_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="diverged"):
        run(Scripted([0.1], slope=float("inf")), tmp_path)


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    first = run(Scripted([0.2, 0.3]), tmp_path)
    task = Scripted([0.9, 0.9])
    again = run(task, tmp_path)
    assert task.weights == []
    assert again.curves == first.curves


def test_a_damaged_checkpoint_is_dropped_and_training_starts_over(tmp_path: Path) -> None:
    first = run(Scripted([0.2, 0.3]), tmp_path)
    path = tmp_path / checkpoint.NAME
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    again = run(Scripted([0.2, 0.3]), tmp_path)
    assert again.curves == first.curves
    assert torch.equal(again.best["weight"], first.best["weight"])


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    make_deterministic(1)
    first = epoch_order(20, 3, 4)
    make_deterministic(2)
    torch.rand(7)
    assert torch.equal(epoch_order(20, 3, 4), first)
    assert not torch.equal(epoch_order(20, 3, 5), first)
    assert not torch.equal(epoch_order(20, 4, 4), first)
    assert sorted(first.tolist()) == list(range(20))
