"""The teacher stage, run for real on a tiny set."""

from __future__ import annotations

import json

import pytest
import torch

from models.training import checkpoint
from models.training.artifact import read_network
from systems.videoqa import TeacherParams, teacher
from systems.videoqa.model import DualVGR

FILES = ("model.safetensors", "model.json", "curves.jsonl")


def contents(directory) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in FILES}


class Interrupt(Exception):
    """Stands for a kill."""


def test_two_runs_write_the_same_bytes(bench) -> None:
    assert contents(bench.teacher("first")) == contents(bench.teacher("second"))


def test_another_seed_gives_another_network(bench) -> None:
    assert contents(bench.teacher("first"))["model.safetensors"] != contents(bench.teacher("second", seed=2))["model.safetensors"]


def test_features_read_per_batch_give_the_same_bytes_as_features_in_memory(bench) -> None:
    assert contents(bench.teacher("first")) == contents(bench.teacher("second", memory_gb=0.0))


def test_an_interrupted_run_goes_on_to_the_same_bytes(bench) -> None:
    whole = contents(bench.teacher("whole"))
    params = json.loads((bench.root / "whole" / "model.json").read_text())
    ctx = bench.context(bench_params(), "again")
    stopped = {"at": 5}

    class Stopping:
        n = 0

        def step(self, n: int = 1, note: str = "") -> None:
            self.n += n
            if self.n >= stopped["at"]:
                raise Interrupt

        def epoch(self, epoch: object) -> None:
            return None

        def __enter__(self):
            return self

        def __exit__(self, *exc: object) -> None:
            return None

    ctx.progress = lambda *a, **k: Stopping()
    with pytest.raises(Interrupt):
        teacher.run(ctx)
    assert (ctx.scratch / checkpoint.NAME).exists()
    stopped["at"] = 1000
    torch.rand(5)  # the process's random state is another one
    teacher.run(ctx)
    assert contents(ctx.out) == whole
    assert params["seed"] == 1


def bench_params() -> TeacherParams:
    return TeacherParams(module_dim=16, batch_size=8, epochs=3, lr=5e-3, lr_steps=(2,), graph_layers=2, seed=1)


def test_the_artifact_rebuilds_the_network(bench) -> None:
    model, about = read_network(bench.teacher(), DualVGR)
    assert about["role"] == "teacher"
    assert about["arguments"]["graph_layers"] == 2
    assert about["arguments"]["num_of_nodes"] == 3
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_the_record_names_the_first_epoch_of_the_best_validation_accuracy(bench) -> None:
    out = bench.teacher()
    about = json.loads((out / "model.json").read_text())
    accuracies = [json.loads(line)["val_accuracy"] for line in (out / "curves.jsonl").read_text().splitlines()]
    assert len(accuracies) == 3
    assert about["best_epoch"] == accuracies.index(max(accuracies))
    assert (about["selected_by"], about["best_value"]) == ("accuracy", max(accuracies))


def test_lost_training_questions_are_in_the_ledger_and_in_the_record(bench_with_lost_videos) -> None:
    bench = bench_with_lost_videos
    ctx = bench.context(bench_params(), "teacher")
    teacher.run(ctx)
    counts = json.loads((ctx.out / "model.json").read_text())["questions"]
    assert counts["train"]["lost"] > 0
    assert len(ctx.ledger.lost()) == counts["train"]["lost"] + counts["val"]["lost"]


@pytest.mark.parametrize("batch_size", [1 << 20, 32, 11])
def test_any_batch_size_trains(bench, batch_size: int) -> None:
    assert (bench.teacher(batch_size=batch_size, epochs=1) / "model.safetensors").exists()
