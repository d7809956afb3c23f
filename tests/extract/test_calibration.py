"""What int8 is scaled by: measured on some videos of the dataset, which the index alone decides, and part of the features' key."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cache.hdf5 import FeatureReader
from cache.stage import Context
from models.inference import instructions
from pipeline.config import Config
from pipeline.graph import build
from stages.extract import CalibrationParams, calibration
from stages.extract.calibration import choose, read_ranges, spread
from stages.extract.run import run
from tests.openvino import openvino_or_skip


def row(id: str, digest: str, *splits: str) -> dict[str, object]:
    return {"id": id, "digest": digest, "splits": list(splits)}


def test_which_videos_measure_is_decided_by_their_content_and_their_split() -> None:
    media = [row("1", "c", "train"), row("2", "a", "test"), row("3", "b", "train"), row("4", "0", "train"), row("5", None, "train")]
    assert choose(media, {"1", "2", "3"}) == ["3", "1"]
    assert choose(media[::-1], {"1", "2", "3"}) == ["3", "1"]
    assert choose([row("1", "c", "all"), row("2", "a", "all")], {"1", "2"}) == ["2", "1"]
    many = [row(str(n), f"{n:03}", "train") for n in range(100)]
    assert choose(many, {str(n) for n in range(100)}) == [str(n) for n in range(calibration.VIDEOS)]
    assert choose(many, set()) == []


def test_rows_are_spread_over_a_video() -> None:
    assert spread(3, 8) == [0, 1, 2] and spread(8, 4) == [1, 3, 5, 7] and spread(100, 2) == [25, 75]
    for count in range(1, 40):
        assert len(set(spread(count, 8))) == min(count, 8) and max(spread(count, 8)) < count


def measured(context, kind: str) -> Context:
    """A run of the calibration of ``kind``."""
    ctx = context(f"{kind}.calibration", kind=kind)
    ctx.params = CalibrationParams(kind=kind, weights="random")
    calibration.run(ctx)
    return ctx


@pytest.mark.parametrize("kind", ["appearance", "motion"])
def test_the_stage_measures_then_computes_nearly_the_same_in_8_bits(sampled, context, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    openvino_or_skip()
    monkeypatch.setattr(instructions, "instructions", lambda: frozenset({"avx512_vnni"}))
    sampled()
    before = measured(context, kind)
    about = json.loads((before.out / "ranges.json").read_text())
    assert sorted(about["videos"]) == ["1", "10", "2"] and 0 < about["rows"] <= 3 * calibration.ROWS
    assert all(least < largest for least, largest in read_ranges(before.out).values())
    plain, less = context("plain", kind=kind), context("less", kind=kind, runtime="openvino", precision="int8")
    less.inputs = {**less.inputs, "calibration": before.out}
    run(plain)
    run(less)
    name = f"msvd-qa_{kind}_feat.h5"
    a, b = FeatureReader(plain.out / name).all(), FeatureReader(less.out / name).all()
    assert 0 < np.abs(a - b).max() < 0.2 * np.abs(a).max()
    assert json.loads((less.out / "features.json").read_text())["precision"] == "int8"


def test_measured_twice_it_is_the_same(sampled, context, tmp_path: Path) -> None:
    sampled()
    first = (measured(context, "motion").out / "ranges.json").read_bytes()
    (tmp_path / "motion.calibration").rename(tmp_path / "before")
    assert (measured(context, "motion").out / "ranges.json").read_bytes() == first


def test_only_int8_has_it_before_and_with_the_very_network() -> None:
    same = ["extract.motion.backbone=resnext101", "extract.motion.weights=kinetics400", "extract.resize=torch"]
    plain = build(Config("tiny", "videoqa", [*same, "extract.precision=bfloat16"])).nodes
    assert "extract.motion.calibration" not in plain and "calibration" not in plain["extract.motion"].reads
    nodes = build(Config("tiny", "videoqa", [*same, "extract.precision=int8", "extract.runtime=openvino"])).nodes
    own, features = nodes["extract.motion.calibration"], nodes["extract.motion"]
    assert features.reads["calibration"] == own.name and own.stage.entry == "stages.extract.calibration:run"
    assert {name: features.reads[name] for name in own.reads} == dict(own.reads) and {*own.reads} == {"index", "sample"}
    shared = [field.name for field in dataclasses.fields(own.params)]
    assert [getattr(own.params, name) for name in shared] == [getattr(features.params, name) for name in shared]
    assert own.params.network.name == "resnext101" and own.params.libraries == ("torch",)
