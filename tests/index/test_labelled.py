"""Videos of one's own with a table of classes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index.labelled import LAYOUT, read
from stages.index.run import run
from tests.index.conftest import lines

TABLE = "video,class,split,remark\ncats/a.mp4,cat,train,x\nb.avi,dog,train\ncats/c.mp4,cat,test,y\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Three videos and a stranger."""
    for path in ("cats/a.mp4", "b.avi", "cats/c.mp4", "stranger.mp4"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "classes.csv").write_text(TABLE)
    return tmp_path


def test_videos_have_the_class_and_the_split_of_their_row(own: Path, make_context: Callable[..., Context]) -> None:
    ctx = make_context(own, layout="labelled")
    run(ctx)
    media = {row["id"]: (row["path"], row["splits"]) for row in lines(ctx.out / "media.jsonl")}
    assert media == {"b": ("b.avi", ["1/train"]), "cats/a": ("cats/a.mp4", ["1/train"]), "cats/c": ("cats/c.mp4", ["1/test"])}
    assert {row["video_id"]: row["classes"] for row in lines(ctx.out / "annotations.jsonl")} == {
        "b": ["dog"],
        "cats/a": ["cat"],
        "cats/c": ["cat"],
    }
    assert json.loads((ctx.out / "dataset.json").read_text())["classes"] == ["cat", "dog"]


def test_a_video_that_is_not_there_is_missing(own: Path, make_context: Callable[..., Context]) -> None:
    (own / "b.avi").unlink()
    ctx = make_context(own, layout="labelled")
    run(ctx)
    assert [(entry.id, entry.state) for entry in ctx.ledger.lost()] == [("b", "missing")]


def test_videos_of_one_name_keep_their_endings(own: Path) -> None:
    (own / "classes.csv").write_text("video,class,split\nb.avi,dog,train\nb.mp4,cat,test\n")
    assert [video.id for video in read(own).videos] == ["b.avi", "b.mp4"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("b.avi,dog,val", "line 2: column 'split': expected train or test, found 'val'"),
        ("/b.avi,dog,train", "line 2: column 'video': expected a path relative to the data root"),
        ("../b.avi,dog,train", "relative to the data root"),
        ("./b.avi,dog,train", "is better written 'b.avi'"),
        (",dog,train", "relative to the data root, found ''"),
        ("b.avi, dog,train", "column 'class': expected a name without blanks"),
        ("b.avi,dog,train\nb.avi,cat,train", "line 3: the video 'b.avi' stands there twice"),
    ],
)
def test_a_row_that_is_wrong_is_named(row: str, says: str, own: Path) -> None:
    (own / "classes.csv").write_text(f"video,class,split\n{row}\n")
    with pytest.raises(DataError) as refused:
        read(own)
    assert says in str(refused.value)


def test_a_folder_without_the_table_is_refused(own: Path) -> None:
    (own / "classes.csv").unlink()
    for look in (read, lambda root: list(LAYOUT.sources(root))):
        with pytest.raises(DataError, match=r"classes\.csv is not there"):
            look(own)
