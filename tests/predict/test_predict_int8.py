"""Features in int8: of a file they are scaled by what the dataset has, and have the bits of the dataset's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cache.hdf5 import FeatureReader
from cache.json_files import read_json, read_lines
from cache.record import Record
from cache.stage import Quiet
from cache.store import Store
from models.inference import instructions
from pipeline.config import Config
from pipeline.graph import build
from pipeline.judge import Judge
from pipeline.predict.files import listed
from pipeline.predict.making import Workshop, make
from pipeline.predict.network import of_graph
from pipeline.predict.recipe import recipe_of
from tests.command import kdpipe
from tests.openvino import openvino_or_skip

pytestmark = pytest.mark.long

INT8 = ("extract.precision=int8", "extract.runtime=openvino")
TYPED = ("--dataset", "tiny", "--set", INT8[0], "--set", INT8[1])
KINDS = ("appearance", "motion")


@pytest.fixture
def store(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished store in which a teacher learnt from features in int8."""
    openvino_or_skip()
    if instructions.lacks("int8", "cpu"):
        pytest.skip("the processor has no such instructions")
    place = shutil.copytree(finished, tmp_path / "store", symlinks=True)
    kdpipe(place, "run", "teacher.s0", *TYPED)
    return place


def record(judge: Judge, node: str) -> Record:
    found = judge.last(node)
    assert found is not None
    return found


def rows_of(judge: Judge, name: str) -> str:
    """The name of the item set of a node under the judge's settings."""
    node = judge.graph.nodes[name]
    return judge.item_key(node, judge.key(node))


def test_a_file_gets_the_features_of_the_dataset_bit_by_bit_and_they_are_no_rows_of_another_precision(store: Path, tmp_path: Path) -> None:
    judge = Judge(Store(store), build(Config("tiny", "videoqa", INT8)), device="cpu", looking=True)
    plain = Judge(Store(store), build(Config("tiny", "videoqa")), device="cpu", looking=True)
    world, index = (judge.store.files(record(judge, node)) for node in ("world", "index"))
    files = {row["id"]: world / row["path"] for row in read_lines(index / "media.jsonl") if "test" in row["splits"]}
    recipe = recipe_of(judge, of_graph(judge, "teacher"))
    assert {step.node for step in recipe.steps.values() if "calibration" in step.node} == set()
    (made,) = make(Workshop(tmp_path, recipe, Quiet, workers=1), listed(map(str, files.values()))).made
    for kind in KINDS:
        stored = judge.store.files(record(judge, f"extract.{kind}"))
        theirs, ours = (FeatureReader(folder / read_json(folder / "features.json")["file"]) for folder in (stored, made.inputs[kind]))
        for id, video in zip(made.ids, files, strict=True):
            np.testing.assert_array_equal(ours.row(id), theirs.row(video))
        assert read_json(stored / "features.json")["precision"] == "int8"
        assert record(judge, f"extract.{kind}").items == rows_of(judge, f"extract.{kind}") != rows_of(plain, f"extract.{kind}")
        measured = judge.store.files(record(judge, f"extract.{kind}.calibration"))
        splits = {row["id"]: row["splits"] for row in read_lines(index / "media.jsonl")}
        assert {split for id in read_json(measured / "ranges.json")["videos"] for split in splits[id]} == {"train"}
