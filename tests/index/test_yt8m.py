"""YouTube-8M: shards and vocabulary, wherever they lie under the data root."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index import IndexParams
from stages.index.run import run
from stages.index.sources import sources
from stages.index.yt8m import read
from tests.index.conftest import lines

Make = Callable[..., Context]
HEAD = "Index,TrainVideoCount,KnowledgeGraphId,Name,WikiUrl,Vertical1,Vertical2,Vertical3,WikiDescription\r\n"


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    return root


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shards = ["train/train3749", "train/train0093", "validate/validate0001", "test/test0000"]
    root = put(tmp_path / "yt8m", *(f"2/{level}/{shard}.tfrecord" for level in ("frame", "video") for shard in shards))
    put(root, "2/frame/train/train0093.tfrecord.part", "2/frame/.tmp/train0001.tfrecord", "2/frame/notes.txt")
    (root / "vocabulary.csv").write_text(
        HEAD + '0,700001,/m/0abc1,Some Topic,https://x,Games,,,"A text,\nquoted."\n1,5,/m/0abc2,"Arts, other",,,,,\n'
    )
    return root


@pytest.mark.parametrize("layout, level", [("yt8m", "frame"), ("yt8m-video", "video")])
def test_the_customary_tree_is_indexed_by_level_and_partition(layout: str, level: str, tree: Path, make_context: Make) -> None:
    ctx = make_context(tree, layout=layout)
    run(ctx)
    assert [(row["id"], row["splits"], row["path"]) for row in lines(ctx.out / "media.jsonl")] == [
        ("train0093", ["train"], f"2/{level}/train/train0093.tfrecord"),
        ("train3749", ["train"], f"2/{level}/train/train3749.tfrecord"),
        ("validate0001", ["validate"], f"2/{level}/validate/validate0001.tfrecord"),
        ("test0000", ["test"], f"2/{level}/test/test0000.tfrecord"),
    ]
    about = json.loads((ctx.out / "dataset.json").read_text())
    assert (about["level"], about["num_classes"], about["classes"]) == (level, 2, ["Some Topic", "Arts, other"])
    assert about["videos"] == 4
    assert ctx.ledger.counts() == {"ok": 4}


def test_the_key_speaks_of_the_shards_and_the_vocabulary(tree: Path) -> None:
    named = list(sources(IndexParams(layout="yt8m"), tree))
    assert sorted(named) == [
        "2/frame/test/test0000.tfrecord",
        "2/frame/train/train0093.tfrecord",
        "2/frame/train/train3749.tfrecord",
        "2/frame/validate/validate0001.tfrecord",
        "vocabulary.csv",
    ]


def test_shards_lie_flat_as_downloaded_with_the_names_of_any_release(tmp_path: Path) -> None:
    root = put(tmp_path, "trainAB.tfrecord", "trainaX.tfrecord", "validate0000.tfrecord", "train-of-mine.tfrecord", "untrained.tfrecord")
    dataset = read(root)
    assert [video.id for video in dataset.videos] == ["train-of-mine", "trainAB", "trainaX", "validate0000"]
    assert (dataset.splits, dataset.about) == (("train", "validate"), {"level": "frame"})


def test_two_releases_at_once_are_refused(tmp_path: Path) -> None:
    root = put(tmp_path, "2/frame/validate/validate0001.tfrecord", "3/frame/validate/validate0001.tfrecord")
    with pytest.raises(DataError, match=r"have the same name\n.*one release"):
        read(root)
    put(tmp_path / "x", "a/vocabulary.csv", "b/vocabulary.csv", "train0000.tfrecord")
    with pytest.raises(DataError, match=r"several files vocabulary\.csv"):
        read(tmp_path / "x")


def test_an_empty_root_says_what_was_looked_for(tmp_path: Path) -> None:
    put(tmp_path, "2/video/train/train0000.tfrecord")
    with pytest.raises(DataError, match=r"no frame-level shard .*\n.*yt8m-video for video level"):
        read(tmp_path)


def test_eigenvalues_beside_the_shards_are_noted(tree: Path) -> None:
    (tree / "yt8m_pca").mkdir()
    np.save(tree / "yt8m_pca" / "eigenvals.npy", np.array([[4.0], [1.5], [0.0]], np.float32))
    assert "yt8m_pca/eigenvals.npy" in list(sources(IndexParams(layout="yt8m"), tree))
    assert read(tree).about["eigenvalues"] == [4.0, 1.5, 0.0]


@pytest.mark.parametrize("values", [[], [1.0, 2.0], [1.0, -1.0], [float("nan")]])
def test_eigenvalues_that_are_none_are_refused(values: list[float], tree: Path) -> None:
    np.save(tree / "eigenvals.npy", np.array(values))
    with pytest.raises(DataError, match=r"eigenvals\.npy(: eigenvalues are| does not hold an array of)"):
        read(tree)


def test_a_file_of_eigenvalues_that_is_no_array_is_refused(tree: Path) -> None:
    (tree / "eigenvals.npy").write_text("not an array")
    with pytest.raises(DataError, match=r"eigenvals\.npy is no npy file.*\n.*public archive"):
        read(tree)


@pytest.mark.parametrize(
    "text, what",
    [
        ("Number,Name\n0,a\n", "line 1: no column Index"),
        ("", "line 1: no column Index, Name"),
        (HEAD, "holds no row but its header"),
        (HEAD + "0,1,,a,,,,,\nzero,1,,b,,,,,\n", "line 3: column 'Index': expected a label, found 'zero'"),
        (HEAD + "0,1,,a,,,,,\n0,1,,b,,,,,\n", "line 3: label 0 stands twice"),
    ],
)
def test_a_bad_vocabulary_is_named_by_line(text: str, what: str, tmp_path: Path) -> None:
    put(tmp_path, "train0000.tfrecord")
    (tmp_path / "vocabulary.csv").write_text(text)
    with pytest.raises(DataError, match=what):
        read(tmp_path)


def test_a_vocabulary_of_some_labels_leaves_the_others_without_a_name(tmp_path: Path) -> None:
    put(tmp_path, "validate0000.tfrecord")
    (tmp_path / "vocabulary.csv").write_text(HEAD + "3,1,,three,,,,,\n1,1,,one,,,,,\n")
    assert read(tmp_path).classes == ("", "one", "", "three")


def test_a_misspelt_column_names_the_nearest(tmp_path: Path) -> None:
    put(tmp_path, "train0000.tfrecord")
    (tmp_path / "vocabulary.csv").write_text("index,Name\n0,a\n")
    with pytest.raises(DataError, match="line 1: no column Index") as caught:
        read(tmp_path)
    assert "did you mean 'index'?" in caught.value.hint
