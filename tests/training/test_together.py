"""What processes that share batches tell one another."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch import distributed as dist

from cache.errors import DataError, KdpipeError
from cache.stage import Quiet
from models.training import distributed, launched, meeting, processes, silence, started
from models.training.failure import ProcessError
from models.training.loop import Recipe, fit
from models.training.schedules import constant
from models.training.selection import Selection
from models.training.updates import Group, Update
from tests.forked import forked


@dataclass(frozen=True)
class Told:
    """What each of ``number`` processes returned for each work; an error of ours comes as its text."""

    number: int
    directory: Path
    works: list[dict[str, Any]]

    def of(self, work: Callable[[Path], Any]) -> list[Any]:
        """By process."""
        return [told[work.__name__] for told in self.works]


@pytest.fixture(scope="module", params=[2, 4])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Processes that were started once for all works."""
    directory = tmp_path_factory.mktemp("told")
    with forked():
        processes.run_together(request.param, tell, directory)
    works = [torch.load(directory / f"{rank}.told", weights_only=False) for rank in range(request.param)]
    return Told(request.param, directory, works)


def tell(device: str, directory: Path) -> None:
    told = {}
    for work in (averaged, disagreeing, own_scratch):
        try:
            told[work.__name__] = work(directory)
        except KdpipeError as error:
            told[work.__name__] = str(error)
    torch.save(told, directory / f"{distributed.rank()}.told")


def averaged(directory: Path) -> list[list[list[float] | None]]:
    return [averaged_in(bucket) for bucket in (1, 40, 1 << 20)]


def averaged_in(bucket: int) -> list[list[float] | None]:
    distributed.BUCKET = bucket
    rank = distributed.rank()
    shapes: list[tuple[tuple[int, ...], torch.dtype]] = [
        ((3,), torch.float32),
        ((2, 2), torch.float64),
        ((4,), torch.float64),
        ((1,), torch.float32),
    ]
    parameters = [nn.Parameter(torch.zeros(*shape, dtype=dtype)) for shape, dtype in shapes]
    parameters.append(nn.Parameter(torch.zeros(1), requires_grad=False))
    for place, parameter in enumerate(parameters[:3]):
        if place != 1 or rank == 0:  # the second has a gradient in the first process only, the fourth in none
            parameter.grad = torch.arange(parameter.numel(), dtype=parameter.dtype).reshape(parameter.shape) + rank
    distributed.average_gradients(parameters)
    return [None if parameter.grad is None else parameter.grad.flatten().tolist() for parameter in parameters]


def test_gradients_are_averaged_whatever_their_buckets_and_one_that_a_process_lacks_counts_as_zeros(told: Told) -> None:
    number = told.number
    mean = (number - 1) / 2
    first, third = ([place + mean for place in range(length)] for length in (3, 4))
    second = [place / number for place in range(4)]
    assert told.of(averaged) == [[[first, second, third, None, None]] * 3] * number


class Disagreeing:
    """Processes measure different accuracies, as different machines may in the last bits."""

    accuracies = ((0.5, 0.6, 0.55, 0.5), (0.6, 0.5, 0.7, 0.8), (0.1, 0.2, 0.3, 0.4), (0.9, 0.8, 0.7, 0.6))

    def __init__(self) -> None:
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.model.weight)
        self.epoch = 0

    def batches(self, epoch: int) -> list[Tensor]:
        return [torch.arange(2)]

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, Tensor], int]:
        return self.model.weight.sum(), {}, len(batch)

    def kept(self) -> nn.Module:
        return self.model

    def validate(self) -> dict[str, float]:
        self.epoch += 1
        return {"accuracy": self.accuracies[distributed.rank()][self.epoch - 1]}


def disagreeing(directory: Path) -> tuple[int, int, float, list[float]]:
    scratch = directory / "scratch"
    scratch.mkdir(exist_ok=True)
    return trained(scratch)


def trained(scratch: Path) -> tuple[int, int, float, list[float]]:
    task = Disagreeing()
    update = Update("n", task.batches, task.loss, [Group(list(task.model.parameters()), constant(0.1))], torch.optim.SGD)
    result = fit(task, Recipe(4, [update], Selection("accuracy", patience=1)), scratch, Quiet, section="teacher")
    return result.epoch, len(result.curves), float(result.weights["weight"]), [record["val_accuracy"] for record in result.curves]


def test_the_first_process_decides_the_best_epoch_and_when_to_stop(told: Told) -> None:
    one, *others = told.of(disagreeing)
    assert others == [one] * (told.number - 1)
    assert one[:2] == (1, 3) and one[2] == pytest.approx(0.8) and one[3] == [0.5, 0.6, 0.55]


def own_scratch(directory: Path) -> None:
    scratch = directory / f"scratch{distributed.rank()}"
    scratch.mkdir()
    trained(scratch)


def test_a_process_that_does_not_see_the_scratch_directory_says_so(told: Told) -> None:
    one, *others = told.of(own_scratch)
    assert [other.replace(f"scratch{rank}", "scratch0") for rank, other in enumerate(others, 1)] == [one] * (told.number - 1)
    assert "the processes share no store" in one and "KDPIPE_STORE" in one
    assert not list(told.directory.glob("scratch*/.met*"))


@pytest.mark.parametrize(
    ("way", "number", "expected", "message"),
    [
        ("error", 4, DataError, "rank 1 of 4 on .*: a frame is missing"),
        ("killed", 2, ProcessError, "rank 1 of 2 on .* was killed by SIGKILL"),
        pytest.param("stopped", 2, ProcessError, "rank 1 of 2 on .* was not heard for 1[0-4] seconds", marks=pytest.mark.long),
    ],
)
def test_whatever_ends_one_process_ends_all_and_is_raised(
    way: str, number: int, expected: type[KdpipeError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "LIMIT", 10.0)  # nobody has to wait for most of a minute to see it kept
    begun = time.monotonic()
    with pytest.raises(KdpipeError) as told, forked():
        processes.run_together(number, failing, way)
    assert type(told.value) is expected and re.match(message, told.value.message), told.value
    assert time.monotonic() - begun < 25 + 30  # starting takes the last


def test_who_is_silent_is_taken_for_dead_within_a_minute() -> None:
    assert silence.LIMIT + 5 * silence.EVERY + started.PATIENCE < 60


def failing(device: str, way: str) -> None:
    if distributed.rank() == 1:
        if way == "error":
            raise DataError("a frame is missing", hint="look for it")
        os.kill(os.getpid(), signal.SIGKILL if way == "killed" else signal.SIGSTOP)
    dist.barrier()


def test_the_others_wait_for_an_order_as_long_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    store = dist.HashStore()
    first, second = launched.Orders(store), launched.Orders(store)
    looked = []

    def pause(seconds: float) -> None:
        looked.append(seconds)
        if len(looked) == 20_000:  # half an hour of other work
            first.give(("work", 1))
            first.give(None)

    monkeypatch.setattr(launched.time, "sleep", pause)
    assert second.take() == ("work", 1) and second.take() is None
    assert sum(looked) > meeting.TIMEOUT.total_seconds()
