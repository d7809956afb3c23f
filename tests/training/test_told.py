"""A training says how each epoch went, and nothing that listens can change it or end it."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cache.stage import Epoch, Quiet
from models.training import launched, processes, telling
from models.training.loop import Recipe, fit
from models.training.pace import Pace
from models.training.result import Result
from models.training.selection import LAST, Selection
from pipeline.progress import Bars
from pipeline.sinks import sink
from pipeline.sinks.sink import Kind, Run, Spec
from tests.forked import forked
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


def test_what_is_written_is_told_by_the_one_who_reads_and_a_line_that_is_not_whole_waits(tmp_path: Path) -> None:
    mine, alone = listening(), listening()
    train(Scripted([0.2, 0.5, 0.4]), tmp_path / "alone", alone)
    train(Scripted([0.2, 0.5, 0.4]), tmp_path / "s", telling.Writing(tmp_path / "said"))
    lines, said = (tmp_path / "said").read_bytes(), tmp_path / "arriving"
    with telling.Reading(said, mine) as reading:
        reading.look()
        for end in range(0, len(lines) + 7, 7):
            said.write_bytes(lines[:end])
            reading.look()
    assert mine.told == alone.told and len(mine.told) == 3 and mine.notes == alone.notes


def test_bars_of_a_process_that_died_are_closed(tmp_path: Path, listeners: dict[str, Any]) -> None:
    said = tmp_path / "said"
    bar = telling.Writing(said)("train", 3).__enter__()
    bar.epoch(Epoch(1, 3, {"train_loss": 0.5}))
    with telling.Reading(said, Bars("teacher", "quiet", [Spec("mine", "x")], RUN)):
        assert not listeners["taken"]
    assert listeners["taken"] == [1] and listeners["closed"] == 1


class Full:
    """A file on a disk that is full: the first write after ``room`` bytes is cut off, or refused."""

    def __init__(self, room: int, *, refuses: bool) -> None:
        self.held, self.room, self.refuses = b"", room, refuses

    def write(self, text: bytes) -> int:
        if self.refuses and len(self.held) + len(text) > self.room:
            raise OSError(28, "No space left on device")
        taken = text[: self.room - len(self.held)]
        self.held += taken
        self.room += len(text) - len(taken)  # somebody made room for what comes next
        return len(taken)


@pytest.mark.parametrize("refuses", [True, False])
def test_what_cannot_be_written_ends_no_training_and_spoils_no_line(refuses: bool, tmp_path: Path) -> None:
    mine, writing = listening(), telling.Writing(tmp_path / "said")
    full = Full(200, refuses=refuses)
    writing._file = full  # type: ignore[assignment]
    assert len(train(Scripted([0.2, 0.5, 0.4]), tmp_path / "s", writing).curves) == 3
    (tmp_path / "said").write_bytes(full.held)
    with telling.Reading(tmp_path / "said", mine):
        pass
    assert mine.notes == ["epoch 1/3"] and len(mine.told) < 3


def told_in(device: str, scratch: Path) -> None:
    train(Scripted([0.2, 0.5]), scratch, telling.progress)


@pytest.mark.parametrize("number", [1, 2])
def test_of_several_processes_the_first_speaks_once_and_as_one_alone_does(number: int, tmp_path: Path) -> None:
    mine, alone = listening(), listening()
    train(Scripted([0.2, 0.5]), tmp_path / "alone", alone)
    with forked():
        processes.run_together(number, told_in, tmp_path / "shared", progress=mine)
    assert (mine.told, mine.notes) == (alone.told, alone.notes) and len(mine.told) == 2


def test_the_first_of_a_launchers_processes_speaks_and_nothing_else_than_a_name_is_sent_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    class First:
        watch = SimpleNamespace(size=2)

        def run(self, work: Callable[..., None], arguments: tuple[Any, ...], device: str) -> None:
            sent.append(pickle.dumps((work, arguments)))
            work(device, *arguments)

    mine = listening()  # a class that cannot be pickled, as bars cannot
    monkeypatch.setattr(launched, "launched", First())
    processes.run_together(2, told_in, tmp_path / "shared", progress=mine)
    assert [one.number for one in mine.told] == [1, 2]
    work, _ = pickle.loads(sent[0])
    work("cpu", tmp_path / "other")  # another process: it says nothing
    assert len(mine.told) == 2
