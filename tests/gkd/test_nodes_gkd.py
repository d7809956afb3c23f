"""The graph of gkd: which nodes there are, and which of them a setting changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cache.errors import ConfigError
from cache.json_files import write_json, write_lines
from cache.stage import Node
from pipeline.config import Config
from pipeline.graph import build, check_index, check_possible
from systems.gkd import nodes
from tests.settings import changed, graph

VARIANTS = ("alone", "kd", "generative", "attention")
RGB = {"teacher.s0", *(f"student.{variant}.s0" for variant in VARIANTS)}
FLOW = {"graph__modalities": ("rgb", "flow")}


def networks(made: dict) -> set[str]:
    return {name for name in made if name.split(".")[0] in ("teacher", "student") and name.endswith(".s0")}


@pytest.mark.parametrize("task", ["recognition", "detection"])
def test_the_networks_of_a_seed(task: str) -> None:
    assert networks(graph(nodes, graph__task=task)) == RGB
    assert networks(graph(nodes, graph__task=task, **FLOW)) == RGB | {"student.alone.flow.s0"}
    distilled = networks(graph(nodes, graph__task=task, graph__flow="distilled", **FLOW))
    assert distilled == RGB | {"teacher.flow.s0", "student.alone.flow.s0", "student.kd.flow.s0"}


def test_every_part_of_recognition_runs_its_own_code() -> None:
    made = graph(nodes)
    assert {node.stage.entry.split(":")[0] for node in made.values()} == {
        f"systems.gkd.recognition.{part}" for part in ("teacher", "student", "evaluate", "timing")
    }


def test_what_a_student_reads_is_what_it_learns_from() -> None:
    made = graph(nodes, graph__flow="distilled", **FLOW)
    assert made["student.alone.s0"].reads == {"index": "index", "frames": "sample"}
    for variant in VARIANTS[1:]:
        assert made[f"student.{variant}.s0"].reads == {"index": "index", "frames": "sample", "teacher": "teacher.s0"}
    assert made["student.kd.flow.s0"].reads == {"index": "index", "frames": "derive.flow", "teacher": "teacher.flow.s0"}
    assert set(made["evaluate.s0"].reads) == {"index", "frames", "flow", *(name.removesuffix(".s0") for name in networks(made))}
    assert set(made["timing"].reads) == {name.removesuffix(".s0") for name in networks(made)}


@pytest.mark.parametrize(
    ("settings", "stale"),
    [
        ({"student__kd__beta": 1.0}, {"student.kd"}),
        ({"student__beta": 1.0}, {"student.kd", "student.attention"}),
        ({"student__generative_weight": 1.0}, {"student.kd", "student.generative"}),
        ({"teacher__epochs": 3}, {"teacher"}),
        ({"train__epochs": 3}, {"teacher", *(f"student.{variant}" for variant in VARIANTS)}),
        ({"student__alone__representation": True}, {"student.alone"}),
        ({"evaluate__threads": 2}, {"evaluate"}),
        ({"train__cache_mb": 1.0}, set()),
        ({"train__flow_flip": "negated"}, set()),  # no network sees flow
    ],
)
def test_a_setting_changes_the_nodes_that_it_is_for(settings: dict, stale: set[str]) -> None:
    assert {name.rpartition(".s")[0] for name in changed(nodes, **settings)} == stale


def test_detection_reads_arrays_of_each_modality() -> None:
    made = graph(nodes, graph__task="detection", graph__flow="distilled", **FLOW)
    assert made["arrays"].reads == {"frames": "sample"} and made["arrays.flow"].reads == {"frames": "derive.flow"}
    assert made["student.alone.s0"].reads == {"index": "index", "arrays": "arrays"}
    assert made["student.kd.s0"].reads == {"index": "index", "arrays": "arrays", "teacher": "teacher.s0"}
    assert made["student.kd.flow.s0"].reads == {"index": "index", "arrays": "arrays.flow", "teacher": "teacher.flow.s0"}
    assert {"index", "arrays", "arrays.flow"} < set(made["evaluate.s0"].reads)
    given = graph(nodes, graph__task="detection", arrays__source="npy")
    assert given["arrays"].reads == {} and given["arrays"].stage.raw and "sample" not in given["evaluate.s0"].reads


@pytest.mark.parametrize(
    ("settings", "stale"),
    [
        ({"student__kd__beta": 1.0}, {"student.kd"}),
        ({"teacher__epochs": 3}, {"teacher"}),
        ({"arrays__size": 128}, {"arrays"}),
        ({"evaluate__sigma": 0.5}, {"evaluate"}),
        ({"train__weighting": "mean"}, {"teacher", *(f"student.{variant}" for variant in VARIANTS)}),
        ({"train__flow_flip": "negated"}, set()),  # no network sees flow
    ],
)
def test_a_setting_changes_the_nodes_of_detection_that_it_is_for(settings: dict, stale: set[str]) -> None:
    def detection(config: Any, shared: Any) -> Iterator[Node]:
        config.values["graph.task"] = "detection"
        return nodes(config, shared)

    assert {name.rpartition(".s")[0] or name for name in changed(detection, **settings)} == stale


def test_a_checkpoint_needs_no_data() -> None:
    made = graph(nodes, student__kd__checkpoint="ucf101-rgb.ckpt", student__kd__lr=0.5)
    assert made["student.kd.s0"].reads == {} and made["student.kd.s0"].params.lr is None


def test_flow_alone_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not begin with rgb"):
        graph(nodes, graph__modalities=("flow",))


def check(*settings: str) -> None:
    made = build(Config("tinyactions", "gkd", settings)).nodes
    check_possible("gkd", made)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("train.short=30",), "crops of 32 pixels do not fit into frames of a short side of 30"),
        (("student.kd.frames=32",), r"student\.kd has frames = 32, and its teacher 16"),
        (("teacher.width=0.5",), "its teacher 0.5: their maps differ"),
        (("student.generative.representation=false",), "generative distillation is of a CVAE"),
        (("student.attention.weighted=false",), "nothing is weighted by the attention"),
        (("teacher.weights=world",), "the shipped weights are of a network of width 0.125"),
        (("teacher.checkpoint=/x/teacher.ckpt",), "the teacher is taken from a file without it"),
    ],
)
def test_what_cannot_go_together_is_refused_before_anything_runs(settings: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check(*settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("train.frames=60",), "windows of 60 frames do not divide by 8"),
        (("train.levels=6",), "windows of 64 frames have no 6 levels"),
        (("arrays.size=40",), "crops of 48 pixels do not fit into arrays of 40"),
        (("train.width=0.25",), "the shipped weights are of a network of width 0.125"),
        (("graph.modalities=[rgb,flow]", "graph.flow=distilled", "teacher.flow.weights=world"), "of a network that sees RGB"),
        (("student.kd.size=32",), "and its teacher 48: their maps differ"),
        (("student.generative.representation=false",), "generative distillation is of a CVAE"),
        (("student.attention.weighted=false",), "it has no attention to learn with"),
        (("teacher.checkpoint=/x/teacher.ckpt",), "the teacher is taken from a file without it"),
    ],
)
def test_what_cannot_go_together_in_detection_is_refused_too(settings: tuple[str, ...], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_possible("gkd", build(Config("thumosworld", "gkd", settings)).nodes)


def index_of(root: Path, *splits: str) -> Path:
    """The files of an index of two classes that have a video in each of the splits."""
    rows = [{"id": f"{label} {split}", "splits": [split]} for split in splits for label in ("bow", "kick")]
    said = [{"video_id": f"{label} {split}", "classes": [label]} for split in splits for label in ("bow", "kick")]
    write_lines(root / "media.jsonl", rows)
    write_lines(root / "annotations.jsonl", said)
    write_json(root / "dataset.json", {"name": "moves"})
    return root


def test_splits_that_the_index_does_not_have_are_refused_before_the_first_training(tmp_path: Path) -> None:
    def asked(dataset: str, *settings: str) -> dict[str, Node]:
        return build(Config(dataset, "gkd", settings)).nodes

    index = index_of(tmp_path, "1/train", "1/test", "2/train", "val", "test")
    check_index("gkd", asked("tinyactions"), index)
    check_index("gkd", asked("thumosworld"), index)
    with pytest.raises(ConfigError, match="no clips of the split 2/test"):
        check_index("gkd", asked("tinyactions", "evaluate.fold=2"), index)
    with pytest.raises(ConfigError, match="no videos of the split tset") as refused:
        check_index("gkd", asked("thumosworld", "evaluate.split=tset"), index)
    assert "it has 1/test, 1/train, 2/train, test, val" in refused.value.hint
    teacher = {name: node for name, node in asked("thumosworld", "evaluate.split=tset").items() if name == "teacher.s0"}
    check_index("gkd", teacher, index)


@pytest.mark.parametrize("system", ["gkd", "xkd", "litemkd"])
def test_looking_at_an_index_imports_nothing_heavy(system: str) -> None:
    code = f"import sys, systems.{system}.possible; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_can_go_together_is_let_through() -> None:
    check()
    check_possible("gkd", build(Config("thumosworld", "gkd", ("student.alone.weighted=true",))).nodes)
    check_possible("gkd", build(Config("thumos14", "gkd", ("arrays.source=npy",))).nodes)
    check("student.alone.width=0.5", "student.alone.representation=true", "teacher.checkpoint=/x", "teacher.cvae_checkpoint=/y")


def test_sections_of_the_recipes_are_known() -> None:
    for dataset in ("plainactions", "tinyactions", "ucf101", "hmdb51", "thumos14", "thumosworld"):
        made = build(Config(dataset, "gkd")).nodes
        task = "detection" if dataset.startswith("thumos") else "recognition"
        assert made["teacher.s0"].stage.entry == f"systems.gkd.{task}.teacher:run"


def test_the_demo_starts_from_shipped_weights_whose_bytes_are_in_the_key() -> None:
    made = build(Config("plainactions", "gkd", ("student.attention.weights=random",))).nodes

    def shipped(name: str) -> list[str]:
        return [path.name for path in getattr(made[name].params, made[name].stage.data)]

    assert shipped("teacher.s2") == shipped("student.alone.s0") == ["small_i3d_world.safetensors"]
    assert shipped("student.attention.s0") == []
