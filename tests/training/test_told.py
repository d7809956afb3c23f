"""A training says how each epoch went, and nothing that listens can change it or end it."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cache.stage import Epoch, Quiet
from models.training.loop import Recipe, fit
from models.training.pace import Pace
from models.training.result import Result
from models.training.selection import LAST, Selection
from pipeline.progress import Bars
from pipeline.sinks import sink
from pipeline.sinks.sink import Kind, Run, Spec
from tests.training.conftest import BY_ACCURACY, Scripted

RUN = Run("student.kd.s0", "toy", "tiny", "ab" * 32, {"lr": 0.1})


class Listening(Quiet):
    """Progress that keeps what it is told."""

    told: list[Epoch]
    notes: list[str]

    def step(self, n: int = 1, note: str = "") -> None:
        super().step(n, note)
        self.notes += [note] if note else []

    def epoch(self, epoch: Epoch) -> None:
        self.told.append(epoch)


def train(task: Scripted, scratch: Path, progress: Callable[..., Any], select: Selection = BY_ACCURACY) -> Result:
    scratch.mkdir(exist_ok=True)
    return fit(task, Recipe(len(task.accuracies), [task.update()], select), scratch, progress, section="student", pace=Pace())


def listening() -> type[Listening]:
    return type("Mine", (Listening,), {"told": [], "notes": []})


def test_every_epoch_is_told_with_its_numbers_and_the_best_so_far(tmp_path: Path) -> None:
    mine = listening()
    result = train(Scripted([0.2, 0.5, 0.4]), tmp_path, mine)
    assert [(one.number, one.of, one.by, one.best) for one in mine.told] == [
        (1, 3, "val_accuracy", 1),
        (2, 3, "val_accuracy", 2),
        (3, 3, "val_accuracy", 2),
    ]
    assert [one.record for one in mine.told] == result.curves
    assert mine.notes == ["epoch 1/3"]


def test_where_the_last_epoch_is_kept_nothing_is_said_to_select_it(tmp_path: Path) -> None:
    mine = listening()
    train(Scripted([0.2, 0.1]), tmp_path, mine, LAST)
    assert [(one.by, one.best) for one in mine.told] == [("", 1), ("", 2)]


def test_a_listener_that_changes_what_it_is_told_changes_no_curve(tmp_path: Path) -> None:
    class Greedy(Quiet):
        def epoch(self, epoch: Epoch) -> None:
            vars(epoch)["record"].clear()

    assert train(Scripted([0.2, 0.5]), tmp_path, Greedy).curves[0]["val_accuracy"] == 0.2


@pytest.fixture
def listeners(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A kind of sink whose module is this one: ``open`` says what :func:`open_sink` does."""
    monkeypatch.setitem(sink.KINDS, "mine", Kind(__name__, "PLACE", "json"))
    hooks: dict[str, Any] = {"taken": [], "closed": 0, "fails": set()}
    monkeypatch.setattr(f"{__name__}.HOOKS", hooks)
    return hooks


HOOKS: dict[str, Any] = {}


class Recording:
    """A sink that draws at random, and fails where it is told to."""

    def __init__(self) -> None:
        self._may("open")

    def epoch(self, epoch: Epoch) -> None:
        self._may("epoch")
        HOOKS["taken"].append(epoch.number)

    def close(self) -> None:
        HOOKS["closed"] += 1
        self._may("close")

    def _may(self, what: str) -> None:
        random.random()
        torch.rand(3)
        if what in HOOKS["fails"]:
            raise RuntimeError(f"no {what}")


def open_sink(place: str, run: Run) -> Recording:
    return Recording()


class Drawing(Scripted):
    """A task whose loss depends on all that is drawn at random."""

    def loss(self, batch: torch.Tensor) -> Any:
        loss, terms, samples = super().loss(batch)
        return loss * (torch.rand(()) + random.random()), terms, samples


def weights(scratch: Path, progress: Callable[..., Any]) -> tuple[Any, Any]:
    torch.manual_seed(4)
    random.seed(4)
    result = train(Drawing([0.1, 0.2, 0.3]), scratch, progress)
    return result.weights["weight"].tolist(), result.curves


def test_a_sink_that_draws_at_random_leaves_the_training_as_it_was(tmp_path: Path, listeners: dict[str, Any]) -> None:
    alone = weights(tmp_path / "alone", Quiet)
    assert weights(tmp_path / "with", Bars("student", "quiet", [Spec("mine", "x")], RUN)) == alone
    assert listeners["taken"] == [1, 2, 3] and listeners["closed"] == 1


@pytest.mark.parametrize(("fails", "taken"), [("open", []), ("epoch", []), ("close", [1, 2, 3])])
def test_a_sink_that_fails_is_told_of_once_and_ends_nothing(
    fails: str, taken: list[int], tmp_path: Path, listeners: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    listeners["fails"] = {fails}
    result = train(Scripted([0.1, 0.2, 0.3]), tmp_path / "s", Bars("student", "quiet", [Spec("mine", "x")], RUN))
    assert len(result.curves) == 3 and listeners["taken"] == taken
    told = capsys.readouterr().err
    assert told == f"warning: --log mine:x: RuntimeError: no {fails}; nothing more of student.kd.s0 goes there\n"
