"""Several processes that share every batch end where one process does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest
from safetensors.torch import load_file

from cache.errors import ConfigError, DataError
from cache.stage import Epoch, Quiet
from systems.fewerframes import TeacherParams, teacher
from tests.fewerframes.conftest import SIZES, Bench
from tests.forked import forked

#: A shift before hidden1's batch normalisation, which takes it out again: the loss does not depend on it, so its gradient is rounding,
#: which Adam makes steps of full size. The mean that this normalisation remembers follows it.
FREE = ("vlad_bn.beta", "hidden1_bn.running_mean")
#: How far it may go in these tests: a step of at most about lr = 1e-3 each, not 20 of them, in each of two runs.
DRIFT = 0.02


def same_course(one: Path, two: Path, *, tolerance: float) -> None:
    """Both trainings have the same curves and the same weights, but for the order in which sums were made."""
    curves = [[json.loads(line) for line in (path / "curves.jsonl").read_text().splitlines()] for path in (one, two)]
    for a, b in zip(*curves, strict=True):
        assert a.keys() == b.keys()
        assert [b[name] for name in a if name.startswith("train_")] == pytest.approx(
            [a[name] for name in a if name.startswith("train_")], rel=tolerance
        )
    first, second = (load_file(path / "model.safetensors") for path in (one, two))
    for name, value in first.items():
        bound = DRIFT if name.endswith(FREE) else tolerance * max(1.0, float(value.abs().max()))
        assert float((value - second[name]).abs().max()) <= bound, name


def test_two_processes_train_the_teacher_of_one_with_dropout_and_batch_statistics(bench: Bench) -> None:
    one, two = (bench.teacher(f"p{n}", processes=n, drop_rate=0.3, epochs=2, lr=1e-3) for n in (1, 2))
    same_course(one, two, tolerance=1e-4)


@pytest.mark.long
@pytest.mark.parametrize("changes", [{"loss": "reimpl"}, {"network": "nextvlad-mix", "branches": 2}, {"regime": "parallel"}])
def test_two_processes_train_the_student_of_one(changes: dict[str, object], trained: tuple[Bench, dict[str, Path]], tmp_path: Path) -> None:
    bench, made = trained
    own = Bench(tmp_path, bench.ingest)
    settings = {"rep": True, "pred": True, "epochs": 2, "lr": 1e-3, **changes}
    with forked():
        one, two = (own.student(f"p{n}", {"dump": made["dump"]}, processes=n, **settings) for n in (1, 2))
    same_course(one, two, tolerance=1e-4)


def test_two_processes_say_how_far_they_are_as_one_does(bench: Bench) -> None:
    class Told(Quiet):
        epochs: ClassVar[dict[int, list[Epoch]]] = {1: [], 2: []}
        steps: ClassVar[dict[int, int]] = {1: 0, 2: 0}
        number = 0

        def step(self, n: int = 1, note: str = "") -> None:
            self.steps[self.number] += n

        def epoch(self, epoch: Epoch) -> None:
            self.epochs[self.number].append(epoch)

    for number in (1, 2):
        ctx = bench.context(TeacherParams(**{**SIZES, "processes": number, "epochs": 2}), f"p{number}")
        ctx.progress = type("Own", (Told,), {"number": number})
        with forked():
            teacher.run(ctx)
    assert Told.steps[1] == Told.steps[2] > 2
    one, two = ([(epoch.number, epoch.of, epoch.by, list(epoch.record)) for epoch in Told.epochs[number]] for number in (1, 2))
    assert one == two and [number for number, *_ in two] == [1, 2]
    assert [epoch.record for epoch in Told.epochs[2]] == [json.loads(line) for line in (bench.root / "p2" / "curves.jsonl").open()]


def test_batches_that_do_not_divide_are_refused(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="do not divide among 3 processes"):
        bench.teacher(processes=3)


def test_an_error_of_the_processes_reaches_the_one_who_asked(bench: Bench) -> None:
    (bench.ingest / "train.h5").unlink()
    with pytest.raises(DataError, match="no partition 'train'"), forked():
        bench.teacher(processes=2)
