"""int8 in the graph: what it is scaled by is a node before the features, in the key of their rows, and lasting for a prediction."""

from __future__ import annotations

from pathlib import Path

import pytest

from cache.errors import ConfigError
from cache.record import Key
from models.inference import instructions
from pipeline import ready
from pipeline.config import Config
from pipeline.filling import fillable
from pipeline.graph import Graph, build

INT8 = ("extract.precision=int8", "extract.runtime=openvino")


def graph(*settings: str) -> Graph:
    return build(Config("tiny", "videoqa", settings))


def test_int8_alone_has_a_node_before_each_kind_of_features() -> None:
    assert not [name for name in graph("extract.precision=bfloat16").nodes if "calibration" in name]
    made = graph(*INT8, "extract.motion.precision=float32")
    assert [name for name in made.nodes if "calibration" in name] == ["extract.appearance.calibration"]
    made = graph(*INT8, "extract.motion.resize=torch")
    order = list(made.nodes)
    for kind, resize in (("appearance", "pil"), ("motion", "torch")):
        node, before = made.nodes[f"extract.{kind}"], made.nodes[f"extract.{kind}.calibration"]
        assert node.reads["calibration"] == before.name and order.index(before.name) < order.index(node.name)
        assert set(before.reads) == {"index", "sample"} and (before.params.kind, before.params.resize) == (kind, resize)
        assert fillable(made, node.name) and not fillable(made, before.name)
        assert made.config.section(before.name) == node.name


def test_features_and_what_scales_them_are_each_named_alone() -> None:
    """A rule of make makes one node, and ``open``, ``pin`` and a script of shards take one."""
    made = graph(*INT8)
    assert [made.select(name) for name in made.nodes] == [[name] for name in made.nodes]
    assert made.select("extract") == made.select("features") == [name for name in made.nodes if name.startswith("extract.")]


def test_other_ranges_are_other_rows_and_the_same_ranges_the_same() -> None:
    node = graph(*INT8).nodes["extract.motion"]
    keys = [
        Key("extract", 1, node.stage.entry, {}, {}, {"index": index, "sample": sample, "calibration": ranges}).item_key(node.stage.items)
        for index, sample, ranges in (("a", "b", "c"), ("x", "y", "c"), ("a", "b", "d"))
    ]
    assert keys[0] == keys[1] != keys[2]


def test_imported_weights_are_measured_too(tmp_path: Path) -> None:
    file = tmp_path / "resnext101.kinetics400.safetensors"
    settings = (*INT8, "extract.motion.backbone=resnext101", "extract.motion.weights=kinetics400")
    made = build(Config("tiny", "videoqa", settings, weights={"resnext101.kinetics400": file})).nodes
    assert made["extract.motion"].params.weights_file == made["extract.motion.calibration"].params.weights_file == str(file)


def test_it_needs_a_runtime_that_can_and_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "instructions", lambda: frozenset({"avx512_vnni"}))
    node = graph(*INT8).nodes["extract.motion"]
    assert ready._missing_instructions(node, "cpu") is None
    assert "does not compute in int8 on cuda:0" in (ready._missing_instructions(node, "cuda:0") or ("", ""))[0]
    plain = graph("extract.precision=int8").nodes["extract.motion"]
    text, hint = ready._missing_instructions(plain, "cpu") or ("", "")
    assert "runtime=eager does not compute in int8" in text and "--set extract.motion.runtime=openvino" in hint


def test_derived_modalities_are_not_to_be_had_in_int8() -> None:
    with pytest.raises(ConfigError, match="int8"):
        build(Config("tinyactions", "litemkd", ["derive.precision=int8"]))
