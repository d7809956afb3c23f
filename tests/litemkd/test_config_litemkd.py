"""The shipped configuration of the system."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.errors import ConfigError, DataError
from models.inference import instructions
from models.inference.runtimes import native
from pipeline import ready
from pipeline.config import Config
from pipeline.graph import build, check_index
from pipeline.ready import missing_weights
from systems.litemkd import possible
from tests.litemkd.conftest import make_bench, write_index


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


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["evaluate.way=4"], "evaluate: 3 of 3 classes have the 2 videos that an episode takes; 4 classes are needed"),
        (["evaluate.shots=[1, 5]"], "evaluate: 0 of 3 classes have the 6 videos"),
        (["evaluate.queries=5"], "evaluate: 0 of 3 classes have the 6 videos"),
        (["teacher.way=5"], "teacher: 4 of 4 classes have the 3 videos"),
        (["expert.rgb.shot=5"], r"expert\.rgb: 0 of 4 classes"),
        (["student.kd.queries=5"], r"student\.kd: 0 of 4 classes"),
        (["student.alone.select=val", "student.alone.shot=4"], ""),
    ],
)
def test_episodes_that_the_index_has_no_videos_for_are_refused_before_the_first_training(
    settings: list[str], says: str, tmp_path: Path
) -> None:
    small = ["train.way=3", "train.shot=2", "train.queries=1", "evaluate.way=3", "evaluate.shots=[1]", "student.queries=1"]
    bench = make_bench(tmp_path, modalities=())
    check_index("litemkd", build(Config("ucf101", "litemkd", small)).nodes, bench.index)
    nodes = build(Config("ucf101", "litemkd", [*small, *settings])).nodes
    if not says:
        check_index("litemkd", nodes, bench.index)
        return
    with pytest.raises(DataError, match=says):
        check_index("litemkd", nodes, bench.index)


def test_selection_without_validation_videos_is_refused_as_well(tmp_path: Path) -> None:
    bench = make_bench(tmp_path, modalities=())
    bench.videos = {id: said for id, said in bench.videos.items() if said[0] != "val"}
    write_index(bench)
    nodes = build(Config("ucf101", "litemkd", ["train.way=3", "train.shot=1", "student.queries=4", "student.kd.select=val"])).nodes
    with pytest.raises(ConfigError, match=r"student\.kd: few-shot/val has 0 classes of 2 videos") as refused:
        check_index("litemkd", nodes, bench.index)
    assert refused.value.hint == "--set student.kd.select=last"


@pytest.mark.parametrize(
    ("settings", "lacking", "hint"),
    [
        (["expert.rgb.backbone=resnet18"], "no C compiler", "apt install gcc, or --set train.step=plain"),
        (["expert.rgb.backbone=resnet18"], "the processor has no AVX2", "--set train.step=plain"),
        (["expert.rgb.backbone=resnet18", "train.step=plain"], "no C compiler", ""),
        (["expert.rgb.backbone=resnet50"], "no C compiler", ""),
    ],
)
def test_a_lean_step_that_cannot_be_compiled_is_refused_before_anything_runs(
    settings: list[str], lacking: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "compiler", lambda: [] if "compiler" in lacking else ["cc"])
    monkeypatch.setattr(instructions, "instructions", lambda: frozenset({"sse2"}))
    node = build(Config("ucf101", "litemkd", settings)).nodes["expert.rgb.s0"]
    found = ready._missing_for_lean(node, "cpu")
    assert (found or ("", ""))[0] == (f"expert.rgb.s0.step=lean cannot be used here: {lacking}" if hint else "")
    assert found is None or found[1].startswith(hint)
    assert ready._missing_for_lean(node, "cuda") is None  # where PyTorch's own step runs, whatever there is
