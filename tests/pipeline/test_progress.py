"""What is said while something runs: a bar, a line for each epoch in a pipe, JSON lines; and how far a run over several nodes is."""

from __future__ import annotations

import io
import json
import pickle
import sys
import types
from typing import Any

import pytest

from cache.stage import Epoch
from pipeline import progress
from pipeline.progress import Bars, epoch_text
from pipeline.sinks.sink import Run, Spec

RECORD = {"epoch": 2, "rate": 0.1, "train_loss": 1.23456, "train_kd": 3.0, "val_accuracy": 0.41234, "val_ce": 2.5}


def epoch(number: int = 3, **changes: Any) -> Epoch:
    return Epoch(**{"number": number, "of": 20, "record": RECORD, "by": "val_accuracy", "best": 2, **changes})


def test_an_epoch_is_told_by_its_loss_and_the_number_that_selects() -> None:
    assert epoch_text(epoch()) == "epoch 3/20: loss 1.235, val_accuracy 0.4123 (best: epoch 2)"
    assert epoch_text(epoch(best=3)).endswith("(best so far)")


def test_of_several_updates_every_loss_is_told_and_without_a_selection_what_was_validated() -> None:
    record = {"train_cvae_loss": 2.0, "train_student_loss": 1.0, "val_top1": 0.5, "val_top5": 0.75}
    assert epoch_text(epoch(record=record, by="")) == "epoch 3/20: cvae_loss 2, student_loss 1, val_top1 0.5, val_top5 0.75"


def test_an_epoch_without_validation_tells_its_loss_alone() -> None:
    assert epoch_text(epoch(record={"train_loss": 2.0}, best=0)) == "epoch 3/20: loss 2"


def test_in_a_pipe_every_epoch_is_a_line_with_the_time_that_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: now[0]))
    with Bars("student.s0", "lines")("train", total=40) as bar:
        bar.step(10, note="epoch 6/20")  # done before the run was killed: it took this run no time
        now[0] = 130.0
        bar.step(10)
        bar.epoch(epoch(10))
    assert capsys.readouterr().err == "student.s0 train: epoch 10/20: loss 1.235, val_accuracy 0.4123 (best: epoch 2); about 1 min left\n"


def test_json_lines_have_everything_that_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with Bars("student.s0", "json")("train", total=4) as bar:
        bar.step(0)
        bar.epoch(epoch(1, best=1))
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    (told,) = [one for one in found if one["event"] == "epoch"]
    measured = {name: value for name, value in RECORD.items() if name != "epoch"}
    assert told == {
        "event": "epoch",
        "what": "student.s0 train",
        "epoch": 1,
        "of": 20,
        "measured": measured,
        "by": "val_accuracy",
        "best": 1,
        "seconds_left": None,
    }


def test_a_pipe_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert (progress.mode(False), progress.mode(True)) == ("lines", "json")


def test_bars_can_be_handed_to_other_processes() -> None:
    bars = Bars("student.s0", "lines", [Spec("tensorboard", "x")], Run("student.s0", "toy", "tiny", "ab" * 32, {"lr": 0.1}))
    again = pickle.loads(pickle.dumps(bars))
    assert (again.node, again.mode, again.sinks, again.run) == (bars.node, bars.mode, bars.sinks, bars.run)


# -- over several nodes ---------------------------------------------------------------------------------------------------


def running(text: str) -> list[str]:
    return [line.partition(": running")[0] for line in text.splitlines() if ": running (" in line]


def test_a_run_counts_its_nodes_and_says_how_long_the_rest_takes(house) -> None:
    first = house.run("run", "report").stderr
    places = [line.split("]")[0] for line in running(first)]
    assert places == [f"[{n}/{len(places)}" for n in range(1, len(places) + 1)] and len(places) > 10
    assert "left" not in first.splitlines()[0]  # nothing is known of how long it takes
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    again = house.run("run", "extract").stderr.splitlines()
    assert again[0].startswith("[1/2] extract.appearance: running (code: models/net.py") and again[0].endswith(" left")


def test_nodes_that_need_no_run_after_all_are_passed_over_in_the_count(house) -> None:
    house.finish()
    house.edit("systems/videoqa/train.py", "read = [", "read = [] + [")
    told = running(house.run("run", "report").stderr)
    assert all("student" in line or "teacher" in line for line in told)
    assert [line.split("/")[0] for line in told] == [f"[{n}" for n in (1, 2, 3, 5, 6, 7)]


def test_one_node_alone_is_not_counted(house) -> None:
    house.run("run", "teacher.s0")
    house.edit("systems/videoqa/train.py", "read = [", "read = [] + [")
    assert running(house.run("run", "teacher.s0").stderr)[-1] == "teacher.s0"


def test_rules_of_make_say_which_of_how_many_they_are(house) -> None:
    rules = house.run("plan", "index", "questions", "--make").stdout
    assert [f"--place {n}/3" in rules for n in (1, 2, 3)] == [True] * 3
    assert house.run("one", "world", "--place", "1/3").stderr.startswith("[1/3] world: running (")


def test_with_log_json_every_line_is_json_and_says_what_is_done(house) -> None:
    events = [json.loads(line) for line in house.run("run", "index", "--log-json").stderr.splitlines()]
    node, done = ([one for one in events if one["event"] == event and one["node"] == "index"] for event in ("node", "done"))
    assert (node[0]["number"], node[0]["of"], node[0]["reason"]) == (2, 2, "never made")
    assert len(done[0]["key"]) == 64
