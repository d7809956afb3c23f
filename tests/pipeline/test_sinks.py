"""Epochs that go elsewhere too: TensorBoard, Weights & Biases."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from cache.errors import ConfigError
from cache.stage import Epoch
from pipeline.sinks.sink import Run, Spec, specs

RUN = Run("student.kd.s0", "videoqa", "tiny", "ab" * 32, {"lr": 0.1})


def epoch(number: int, loss: float) -> Epoch:
    return Epoch(number, 3, {"epoch": number - 1, "train_loss": loss, "rate": 0.1})


def test_a_sink_is_named_by_its_kind_and_place() -> None:
    (found,) = specs(["tensorboard:runs/of:mine"])
    assert (found, str(found)) == (Spec("tensorboard", "runs/of:mine"), "tensorboard:runs/of:mine")


@pytest.mark.parametrize(
    ("text", "told"), [("tensorbord:x", "'tensorboard'"), ("tensorboard:", "--log tensorboard:DIR"), ("x", "tensorboard:DIR")]
)
def test_what_is_no_sink_is_refused_with_the_right_form(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        specs([text])
    assert told in error.value.hint


def test_a_long_text_that_is_no_sink_is_cut_in_the_message() -> None:
    with pytest.raises(ConfigError, match="there is no such sink") as error:
        specs(["x" * 9999])
    assert len(str(error.value)) < 1000


def test_a_missing_package_is_told_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package wandb"):
        specs(["wandb:mine"])


def test_tensorboard_has_every_number_at_its_epoch_and_a_training_that_goes_on_writes_over(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for begun in ((1, 2), (2, 3)):  # killed after the second epoch, before its checkpoint
        sink = Spec("tensorboard", str(tmp_path)).open(RUN)
        for number in begun:
            sink.epoch(epoch(number, number / 10))
        sink.close()
    folder = tmp_path / "videoqa.tiny" / "student.kd.s0-abababab"
    events = accumulators.EventAccumulator(str(folder))
    events.Reload()
    assert [(one.step, round(one.value, 4)) for one in events.Scalars("train/loss")] == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert set(events.Tags()["scalars"]) == {"train/loss", "rate"}


def test_wandb_has_a_run_for_each_training_and_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[Any] = []
    run = types.SimpleNamespace(log=lambda record, step: called.append((step, record)), finish=lambda: called.append("finished"))
    fake = types.ModuleType("wandb")
    fake.init = lambda **how: called.append(how) or run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    sink = Spec("wandb", "mine").open(RUN)
    sink.epoch(epoch(1, 0.5))
    sink.close()
    opened, logged, finished = called
    assert (opened["project"], opened["name"], opened["resume"]) == ("mine", RUN.name, "allow")
    assert opened["config"] == {"lr": 0.1, "system": "videoqa", "dataset": "tiny", "node": "student.kd.s0", "key": "ab" * 32}
    assert logged == (1, {"train_loss": 0.5, "rate": 0.1}) and finished == "finished"


def test_a_sink_is_in_no_key(house) -> None:
    pytest.importorskip("tensorboard")
    house.run("run", "teacher.s0")
    again = house.run("run", "teacher.s0", "--log", "tensorboard:somewhere")
    assert "up to date" in again.stderr and not (house.root / "somewhere").exists()
