"""UCF101 as its authors publish it: classes, three folds, and lists that are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index import IndexParams
from stages.index.run import run
from stages.index.sources import sources
from stages.index.ucf101 import read
from tests.index.conftest import lines

Make = Callable[..., Context]
CLASSES = ("ApplyEyeMakeup", "HandstandPushups")
LISTS = "ucfTrainTestlist"


def clip(name: str, group: int) -> str:
    """The official files of one class differ from its folder in a capital."""
    return f"{name}/v_{name.replace('stand', 'Stand')}_g0{group}_c01.avi"


@pytest.fixture
def ucf(tmp_path: Path) -> Path:
    """Three groups of clips of two classes; in fold k, group k is tested. Lines end as in the official lists."""
    root = tmp_path / "ucf"
    (root / LISTS).mkdir(parents=True)
    (root / LISTS / "classInd.txt").write_text("".join(f"{n} {name}\r\n" for n, name in enumerate(CLASSES, 1)))
    for name in CLASSES:
        (root / "UCF-101" / name).mkdir(parents=True)
        for group in (1, 2, 3):
            (root / "UCF-101" / clip(name, group)).write_text(clip(name, group))
    for fold in (1, 2, 3):
        train = [f"{clip(name, group)} {n}\r\n" for n, name in enumerate(CLASSES, 1) for group in (1, 2, 3) if group != fold]
        (root / LISTS / f"trainlist0{fold}.txt").write_text("".join(train))
        (root / LISTS / f"testlist0{fold}.txt").write_text("".join(f"{clip(name, fold)}\r\n" for name in CLASSES))
    return root


def test_three_folds_are_indexed_as_they_lie(ucf: Path, make_context: Make) -> None:
    (ucf / "UCF-101" / "Archery").mkdir()
    (ucf / "UCF-101" / "Archery" / "v_Archery_g01_c01.avi").write_text("in no list")
    ctx = make_context(ucf, layout="ucf101")
    run(ctx)
    media = {row["id"]: row for row in lines(ctx.out / "media.jsonl")}
    assert len(media) == 6 and media["v_HandStandPushups_g02_c01"]["path"] == "UCF-101/HandstandPushups/v_HandStandPushups_g02_c01.avi"
    assert media["v_HandStandPushups_g02_c01"]["splits"] == ["1/train", "2/test", "3/train", "few-shot/val"]
    said = {row["video_id"]: row for row in lines(ctx.out / "annotations.jsonl")}
    assert said.keys() == media.keys()
    assert said["v_HandStandPushups_g02_c01"] == {
        "video_id": "v_HandStandPushups_g02_c01",
        "classes": ["HandstandPushups"],
        "segment": None,
    }
    assert json.loads((ctx.out / "dataset.json").read_text()) == {
        "name": "ucf101",
        "layout": "ucf101",
        "videos": 6,
        "classes": list(CLASSES),
        "num_classes": 2,
        "annotations": {
            **{f"{fold}/{part}": n for fold in (1, 2, 3) for part, n in (("train", 4), ("test", 2))},
            "few-shot/train": 3,
            "few-shot/val": 3,
            "few-shot/test": 0,
        },
        "few_shot": {
            "lists": "shipped: ucf_ARN",
            "clips": {"few-shot/train": 3, "few-shot/val": 3, "few-shot/test": 0},
            "not_there": 13320 - 6,
        },
    }
    assert ctx.ledger.counts() == {"ok": 6}


def test_a_clip_without_a_file_is_missing(ucf: Path, make_context: Make) -> None:
    gone = ucf / "UCF-101" / clip(CLASSES[0], 1)
    gone.unlink()
    assert str(gone.relative_to(ucf)) not in sources(IndexParams(layout="ucf101"), ucf)
    ctx = make_context(ucf, layout="ucf101")
    run(ctx)
    assert [(entry.id, entry.state) for entry in ctx.ledger.lost()] == [("v_ApplyEyeMakeup_g01_c01", "missing")]


def test_sources_are_the_lists_and_the_clips_of_the_classes(ucf: Path) -> None:
    (ucf / "UCF-101" / CLASSES[0] / "notes.txt").write_text("")
    found = list(sources(IndexParams(layout="ucf101"), ucf))
    assert found[:2] == [f"{LISTS}/classInd.txt", f"{LISTS}/trainlist01.txt"]
    assert sorted(found[7:]) == sorted(f"UCF-101/{clip(name, group)}" for name in CLASSES for group in (1, 2, 3))


def test_a_list_that_is_not_there_is_named_with_the_nearest(ucf: Path) -> None:
    (ucf / LISTS / "testlist02.txt").rename(ucf / LISTS / "testlist2.txt")
    with pytest.raises(DataError, match=r"testlist02.txt is not there(.|\n)*did you mean 'testlist2.txt'"):
        read(ucf)


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("classInd.txt", "ApplyEyeMakeup", "line 3: expected '<number> <Class>', found 'ApplyEyeMakeup'"),
        ("classInd.txt", "3 ApplyEyeMakeup", "line 3: expected a new class of number 3, found '3 ApplyEyeMakeup'"),
        ("classInd.txt", "4 Archery", "line 3: expected a new class of number 3, found '4 Archery'"),
        ("classInd.txt", "3 ../..", "line 3: expected '<number> <Class>'"),
        ("testlist01.txt", "v_ApplyEyeMakeup_g01_c01.avi", "line 3: expected '<Class>/<clip>.avi', found 'v_Apply"),
        ("testlist01.txt", "ApplyEyeMakeup/../../x.avi", "line 3: expected '<Class>/<clip>.avi'"),
        ("testlist01.txt", "Bowling/v_Bowling_g01_c01.avi", "line 3: 'Bowling' is not in ucfTrainTestlist/classInd.txt"),
        (
            "trainlist01.txt",
            "ApplyEyeMakeup/v_x_g01_c01.avi 2",
            "line 5: ApplyEyeMakeup has the number 1 in ucfTrainTestlist/classInd.txt, not 2",
        ),
        ("testlist02.txt", clip(CLASSES[0], 1), f"line 3: {clip(CLASSES[0], 1)} is in 2/train already"),
        ("trainlist03.txt", f"{clip(CLASSES[0], 1)} 1", f"line 5: {clip(CLASSES[0], 1)} is in 3/train already"),
    ],
)
def test_a_wrong_line_is_named(file: str, line: str, says: str, ucf: Path) -> None:
    path = ucf / LISTS / file
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(DataError) as caught:
        read(ucf)
    assert f"{LISTS}/{file}, {says}" in caught.value.message
