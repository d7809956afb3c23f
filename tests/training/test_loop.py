"""What the shared loop promises: the selection, early stopping, the curves, several updates, checkpoints that are worth their time."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cache.errors import ConfigError, DataError
from models.training import checkpoint, loop
from models.training.determinism import epoch_order, make_deterministic, noting
from models.training.pace import Pace
from models.training.result import Result
from models.training.schedules import by_epoch, constant
from models.training.selection import LAST, Selection
from models.training.updates import Group, Update
from tests.training.conftest import Scripted

Run = Callable[..., Result]


def test_the_first_of_equally_good_epochs_is_kept_with_its_weights(run: Run) -> None:
    task = Scripted([0.2, 0.5, 0.4, 0.5])
    result = run(task)
    assert (result.epoch, result.value, result.selected_by) == (1, 0.5, "accuracy")
    assert float(result.weights["weight"]) == task.weights[1] != task.weights[3]


def test_an_accuracy_of_zero_still_yields_a_network(run: Run) -> None:
    assert run(Scripted([0.0, 0.0])).epoch == 0


def test_the_lowest_value_can_be_the_best(run: Run) -> None:
    assert run(Scripted([0.5, 0.2, 0.2, 0.9]), select=Selection("accuracy", smallest=True)).epoch == 1


def test_without_a_selection_the_last_epoch_is_kept(run: Run) -> None:
    task = Scripted([0.9, 0.1])
    result = run(task, select=LAST)
    assert (result.epoch, result.value, result.selected_by) == (1, None, "")
    assert float(result.weights["weight"]) == task.weights[1]


def test_a_training_without_validation_keeps_its_last_epoch(run: Run) -> None:
    task = Scripted([0.0, 0.0, 0.0])
    task.validate = dict  # type: ignore[method-assign]
    result = run(task, select=LAST)
    assert result.epoch == 2 and not [name for name in result.curves[0] if name.startswith("val_")]


@pytest.mark.parametrize("keeps", [True, False])
def test_memory_is_kept_while_a_training_runs_if_its_recipe_wants_that(run: Run, monkeypatch: pytest.MonkeyPatch, keeps: bool) -> None:
    kept = [0]

    @contextmanager
    def recorded() -> Iterator[None]:
        kept[0] += 1
        yield
        kept[0] -= 1

    class Looking(Scripted):
        def validate(self) -> dict[str, float]:
            assert kept[0] == keeps
            return super().validate()

    monkeypatch.setattr(loop, "kept_heap", recorded)
    run(Looking([0.1, 0.2]), keep_memory=keeps)
    assert kept[0] == 0


def test_validation_can_come_after_every_other_epoch_and_comes_after_the_last(run: Run) -> None:
    task = Scripted([0.1] * 5)
    result = run(task, validate_every=2)
    assert ["val_accuracy" in record for record in result.curves] == [False, True, False, True, True]
    assert result.epoch == 1


def test_a_number_that_the_validation_does_not_measure_selects_nothing(run: Run) -> None:
    with pytest.raises(ConfigError, match="no 'acuracy'") as caught:
        run(Scripted([0.1]), select=Selection("acuracy"))
    assert caught.value.hint == "did you mean 'accuracy'?"


def test_an_epoch_to_be_selected_by_a_validation_that_there_is_not_is_an_error(run: Run) -> None:
    task = Scripted([0.1])
    task.validate = dict  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="student: no epoch was trained and validated"):
        run(task)


def test_training_stops_when_patience_runs_out(run: Run) -> None:
    result = run(Scripted([0.2, 0.5, 0.4, 0.5, 0.3, 0.9]), select=Selection("accuracy", patience=2))
    assert len(result.curves) == 4
    assert result.epoch == 1


def test_without_patience_every_epoch_is_run(run: Run) -> None:
    assert len(run(Scripted([0.5, 0.4, 0.3, 0.2])).curves) == 4


def test_the_rate_is_halved_after_the_given_numbers_of_epochs(run: Run) -> None:
    task = Scripted([0.1, 0.1])
    curves = run(task, task.update(by_epoch(0.1, (1,), 0.5))).curves
    assert [record["rate"] for record in curves] == [0.1, 0.05]
    assert task.weights == pytest.approx([1 - 3 * 0.1, 1 - 3 * 0.1 - 3 * 0.05])


def test_logged_losses_are_means_over_samples_not_over_batches(run: Run) -> None:
    assert run(Scripted([0.1])).curves[0]["train_index"] == pytest.approx(2.0)  # mean of 0..4, batches of 2, 2 and 1


def test_a_loss_that_is_not_finite_is_an_error_that_names_the_key_to_change(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="diverged") as caught:
        run(Scripted([0.1], slope=float("inf")))
    assert "--set student.lr=" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_training_that_is_lost_already_is_not_kept_in_a_checkpoint(run: Run, tmp_path: Path) -> None:
    task = Scripted([0.1, 0.1])
    update = task.update(after=lambda moment: setattr(task, "slope", float("nan")) if moment.step == 3 else None)
    with pytest.raises(DataError, match="train_loss is nan in epoch 1"):
        run(task, update, pace=Pace(seconds=0.0, share=1e9))
    found = checkpoint.Checkpoint(tmp_path).load()
    assert found is not None and found["learners"][0]["counts"]["batch"] == 4


def test_a_finished_training_is_not_run_again(run: Run) -> None:
    first = run(Scripted([0.2, 0.3]))
    task = Scripted([0.9, 0.9])
    again = run(task)
    assert task.weights == []
    assert again.curves == first.curves and torch.equal(again.weights["weight"], first.weights["weight"])


def parts(scratch: Path) -> dict[str, Path]:
    """The files of a checkpoint: the record, the state, and the kept weights."""
    record = scratch / checkpoint.NAME
    state = scratch / f"{checkpoint.Checkpoint(scratch)._named()}{checkpoint.SUFFIX}"
    (kept,) = set(scratch.iterdir()) - {record, state}
    return {"record": record, "state": state, "kept": kept}


@pytest.mark.parametrize("part", ["record", "state", "kept"])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_damaged_checkpoint_is_dropped_and_training_starts_over(part: str, place: float, run: Run, tmp_path: Path) -> None:
    first = run(Scripted([0.2, 0.3]))
    path = parts(tmp_path)[part]
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(bytes(data))
    task = Scripted([0.2, 0.3])
    again = run(task)
    assert len(task.weights) == 2
    assert again.curves == first.curves
    assert torch.equal(again.weights["weight"], first.weights["weight"])
    assert len(list(tmp_path.iterdir())) == 3


def test_only_the_part_of_the_model_that_is_kept_comes_out(run: Run) -> None:
    task = Scripted([0.1, 0.3, 0.2])
    network = task.model
    task.model = nn.ModuleDict({"network": network, "projection": nn.Linear(2, 2)})  # type: ignore[assignment]
    task.kept = lambda: network  # type: ignore[method-assign]
    group = Group(list(network.parameters()), constant(0.01))
    task.loss = lambda batch: (network.weight.sum(), {}, len(batch))  # type: ignore[method-assign,assignment]
    task.validate = lambda: {"accuracy": 0.5}  # type: ignore[method-assign]
    update = Update("network", task.batches, task.loss, [group], optimizer=torch.optim.SGD)
    assert set(run(task, update).weights) == {"weight"}


def test_updates_pass_one_after_the_other_and_the_curves_tell_them_apart(run: Run) -> None:
    task, seen = Scripted([0.1, 0.1]), []
    other = nn.Linear(1, 1, bias=False)
    task.model.add_module("other", other)

    def learn(name: str, weight: Tensor) -> Callable[[Any], tuple[Tensor, dict[str, Tensor], int]]:
        def loss(batch: Tensor) -> tuple[Tensor, dict[str, Tensor], int]:
            seen.append((name, batch.tolist()))
            return weight.sum(), {}, len(batch)

        return loss

    updates = [
        Update("first", task.batches, learn("first", other.weight), [Group([other.weight], constant(0.5))], optimizer=torch.optim.SGD),
        Update("second", lambda epoch: [torch.arange(3)], learn("second", task.model.weight), [Group([task.model.weight], constant(0.1))]),
    ]
    curves = run(task, updates=updates).curves
    assert seen == [("first", [0, 1]), ("first", [2, 3]), ("first", [4]), ("second", [0, 1, 2])] * 2
    assert (curves[0]["rate_first"], curves[0]["rate_second"]) == (0.5, 0.1)
    assert {"train_first_loss", "train_second_loss"} <= set(curves[0])


def test_the_kept_weights_go_to_disk_only_when_they_change(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, honest = [], checkpoint.Checkpoint.save

    def save(self: checkpoint.Checkpoint, state: Any, kept: Any = None) -> None:
        saved.append(kept is not None)
        honest(self, state, kept)

    monkeypatch.setattr(checkpoint.Checkpoint, "save", save)
    run(Scripted([0.2, 0.5, 0.4, 0.6], samples=2), pace=Pace(seconds=1e9, share=1e9))
    assert saved == [True, True, False, True]


def test_checkpoints_never_change_a_result(run: Run, tmp_path: Path) -> None:
    paces = {"always": Pace(seconds=0.0, share=1e9), "never": Pace(seconds=1e9, share=0.0)}
    found = []
    for name, pace in paces.items():
        (tmp_path / name).mkdir()
        found.append(run(Scripted([0.2, 0.5, 0.4]), scratch=tmp_path / name, pace=pace))
    assert found[0].curves == found[1].curves and torch.equal(found[0].weights["weight"], found[1].weights["weight"])


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone() -> None:
    make_deterministic(1)
    first = epoch_order(20, 3, 4)
    make_deterministic(2)
    torch.rand(7)
    assert torch.equal(epoch_order(20, 3, 4), first)
    assert not torch.equal(epoch_order(20, 3, 5), first)
    assert not torch.equal(epoch_order(20, 4, 4), first)
    assert sorted(first.tolist()) == list(range(20))


def test_an_operation_without_a_form_that_repeats_its_bits_is_noted_in_the_result_and_survives_a_kill(run: Run) -> None:
    make_deterministic(0)

    class Unrepeatable(Scripted):
        def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, Tensor], int]:
            torch.zeros(3).put_(torch.tensor([1]), torch.tensor([2.0]))  # PyTorch has no deterministic form of it
            return super().loss(batch)

    assert run(Unrepeatable([0.1])).unrepeatable == ["put_"]
    assert run(Scripted([0.1, 0.2])).unrepeatable == ["put_"]  # goes on where the first one was


def test_a_warning_of_something_else_is_shown_as_ever() -> None:
    found: list[str] = []
    with pytest.warns(UserWarning, match="something else"), noting(found):
        warnings.warn("something else", UserWarning, stacklevel=1)
    assert found == []
