"""The shipped configuration of the system."""

from __future__ import annotations

import pytest

from pipeline.cli.session import default
from pipeline.config import Config, shown_on
from pipeline.graph import build


def test_without_a_dataset_the_system_is_shown_on_the_world_that_fits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDPIPE_DATASET", raising=False)
    assert shown_on("fewerframes") == default("dataset", "fewerframes") == "world8m"
    assert shown_on("videoqa") == default("dataset", "videoqa") == "world"
    monkeypatch.setenv("KDPIPE_DATASET", "yt8m")
    assert default("dataset", "fewerframes") == "yt8m"


def test_on_the_real_data_the_settings_are_the_published_ones() -> None:
    nodes = build(Config("yt8m", "fewerframes")).nodes
    teacher, student = nodes["teacher.s0"].params, nodes["student.both.k6.s0"].params
    assert (teacher.hidden, teacher.batch_size, teacher.bn_decay, teacher.max_frames) == (2048, 160, 0.999, 300)
    assert (student.k, student.loss, student.grid) == (6, "reimpl-mean", "real")


def test_nothing_of_questions_and_videos_is_in_the_graph() -> None:
    stages = {node.stage.name for node in build(Config("world8m", "fewerframes")).nodes.values()}
    assert stages == {"world", "index", "ingest", "teacher", "dump", "student", "evaluate", "timing", "report"}
