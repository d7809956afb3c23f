"""What is wrong with a dataset is said by the index, whichever adapter made it, and not by a stage that comes later."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache.errors import ConfigError, DataError
from cache.stage import Context
from pipeline.config import Config, names
from pipeline.graph import build
from stages.index import IndexParams
from stages.index.dataset import Annotation, Dataset, Question, Video
from stages.index.run import run
from stages.index.soundness import check
from tests.index.conftest import write_annotations

VIDEOS = [Video("1", "a.avi", ("train",)), Video("2", "b.avi", ("test",))]


def question(video: str, split: str = "train", number: int = 0) -> Question:
    return Question(split, number, video, "what is it?", "dog")


def labelled(classes: tuple[str, ...], *said: tuple[Any, ...]) -> Dataset:
    return Dataset(VIDEOS, splits=("train", "test"), annotations=[Annotation(*each) for each in said], classes=classes)


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        (Dataset([*VIDEOS, Video("1", "c.avi")]), "1 id(s) of files stand twice:\n    '1'"),
        (Dataset([Video("v", "a.avi")], [question("v")], ("train",)), "train, entry 0: video_id 'v' is not an integer"),
        (
            Dataset(VIDEOS, [question("1"), question("7", "test", 4)], ("train", "test")),
            "test, entry 4: video_id '7' is the id of no",
        ),
        (Dataset(VIDEOS, [question("1", "test")], ("train", "test")), "the training split holds no question"),
        (Dataset(VIDEOS, [question("1", "val")], ("train", "test")), "val, entry 0: there is no split 'val'"),
        (Dataset(VIDEOS, splits=("train",)), "1 file(s) are in no split that the dataset has:\n    '2' is in 'test'"),
        (labelled(("a", "a"), ("1", ("a",))), "1 class(es) have no name of their own:\n    'a'"),
        (labelled(("a", ""), ("1", ("a",))), "1 class(es) have no name of their own:\n    ''"),
        (labelled(("a", "b"), ("7", ("a",))), "1 annotation(s) cannot be used:\n    '7': it is the id of no video"),
        (labelled(("a", "b"), ("1", ())), "'1': it has no class"),
        (labelled(("a", "b"), ("1", ("a", "c"))), "'1': 'c' is not among the classes"),
        (labelled(("a",), ("1", ("a",), (2.0, 2.0))), "'1' from 2.0 to 2.0 s: a part begins at 0 or later and ends after it begins"),
        (labelled(("a",), ("1", ("a",), (-0.1, 2.0))), "from -0.1 to 2.0 s"),
        (labelled(("a",), ("1", ("a",), (0.0, float("nan")))), "from 0.0 to nan s"),
        (labelled(("a",), ("1", ("a",), (0.0, float("inf")))), "from 0.0 to inf s"),
    ],
)
def test_an_unsound_dataset_is_refused(dataset: Dataset, says: str) -> None:
    with pytest.raises(DataError, match=re.escape(says)):
        check(dataset)


def test_a_sound_one_is_not() -> None:
    check(Dataset(VIDEOS, [question("1"), question("2", "test")], ("train", "test")))
    check(Dataset([Video("holiday/beach", "a.avi")]))
    check(labelled(("a", "b"), ("1", ("a", "b")), ("1", ("b",), (0.0, 1.5)), ("2", ("a",))))
    check(Dataset([Video("v", f"{kind}/v.npy", (), kind) for kind in ("rgb", "flow")]))


def test_a_layout_of_one_class_a_video_has_one_for_each() -> None:
    check(labelled(("a", "b"), ("1", ("a",)), ("2", ("b",))), ("videos", "class"))
    with pytest.raises(DataError, match=r"2 video\(s\) have not exactly one class:\n    '1' has 2\n    '2' has 0"):
        check(labelled(("a", "b"), ("1", ("a", "b"))), ("videos", "class"))


def test_a_training_split_without_questions_is_named_by_the_index(msvd: Path, make_context: Callable[..., Context]) -> None:
    write_annotations(msvd, {"train": []})
    with pytest.raises(DataError, match="the training split holds no question"):
        run(make_context(msvd))


@pytest.mark.parametrize(("dataset", "layout", "near"), [("msvd", "msvd_qa", "msvd-qa"), ("folder", "foldr", "folder"), ("tiny", "x", "")])
def test_an_unknown_layout_is_refused_when_the_configuration_is_read(dataset: str, layout: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"--set: layout = '{layout}' is not one of msvd-qa") as caught:
        build(Config(dataset, "videoqa", [f"layout={layout}"]))
    assert not near or f"did you mean '{near}'?" in caught.value.hint


def test_a_world_is_drawn_only_in_layouts_that_it_knows() -> None:
    with pytest.raises(ConfigError, match="layout = 'folder' is not one of msvd-qa, msrvtt-qa, yt8m"):
        build(Config("tiny", "videoqa", ["layout=folder"]))


@pytest.mark.parametrize("dataset", names("datasets"))
def test_an_index_is_keyed_by_its_own_adapter(dataset: str) -> None:
    params = build(Config(dataset, "fewerframes")).nodes["index"].params
    assert isinstance(params, IndexParams) and params.modules == (f"stages.index.{params.layout.replace('-', '_')}",)
