"""The shipped configuration of the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.errors import ConfigError
from pipeline.config import Config
from pipeline.graph import build
from pipeline.ready import missing_weights
from systems.litemkd import possible


@pytest.mark.parametrize(("dataset", "rate"), [("ucf101", 1e-4), ("hmdb51", 5e-5), ("kinetics100", 2e-4)])
def test_on_the_real_data_the_settings_are_the_published_ones(dataset: str, rate: float) -> None:
    found = build(Config(dataset, "litemkd")).nodes
    teacher, student, expert = (found[name].params for name in ("teacher.s0", "student.kd.s0", "expert.rgb.s0"))
    assert (teacher.lr, teacher.chosen, teacher.episodes) == (rate, "shift", 50_015)
    assert (student.backbone, student.lr, student.episodes, student.queries) == ("resnet18", 1e-4, 70_010, 5)
    assert (expert.backbone, expert.episodes, expert.queries, expert.image_size) == ("resnet50", 50_010, 4, 224)


def test_an_empty_list_of_modalities_is_refused() -> None:
    with pytest.raises(ConfigError, match="RGB alone has nothing to fuse"):
        build(Config("ucf101", "litemkd", ["graph.modalities=[]"]))


def test_weights_that_are_not_shipped_are_asked_for_unless_they_were_imported() -> None:
    plain = build(Config("ucf101", "litemkd")).nodes["student.alone.s0"]
    said, hint = missing_weights(plain) or ("", "")
    assert said.startswith("resnet18.imagenet1k_v1 is not shipped") and "--set student.alone.weights_file=PATH" in hint
    known = {"resnet18.imagenet1k_v1": Path("/weights/resnet18.safetensors")}
    found = build(Config("ucf101", "litemkd", weights=known)).nodes["student.alone.s0"]
    assert found.params.weights_file == "/weights/resnet18.safetensors" and missing_weights(found) is None


def test_a_setting_without_effect_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"student\.alone\.temperature can change nothing"):
        build(Config("ucf101", "litemkd", ["student.alone.temperature=2"]))


@pytest.mark.parametrize("key", ["expert.rgb.cardinalities", "teacher.cardinalities", "evaluate.shots"])
def test_a_list_that_needs_an_entry_is_refused_when_it_is_empty(key: str) -> None:
    nodes = build(Config("ucf101", "litemkd", [f"{key}=[]"])).nodes
    with pytest.raises(ConfigError, match=rf"{key} is empty"):
        possible.check(nodes)


def test_no_milestones_can_be_asked_for() -> None:
    possible.check(build(Config("ucf101", "litemkd", ["student.milestones=[]"])).nodes)
