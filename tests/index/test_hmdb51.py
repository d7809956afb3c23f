"""HMDB51 as its authors publish it: a list for each class and fold, names with odd marks, and lists that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index import IndexParams
from stages.index.hmdb51 import read
from stages.index.run import run
from stages.index.sources import sources
from tests.index.conftest import lines

LISTS = "testTrainMulti_7030_splits"
#: Class -> clip -> its flags in the three folds; the names are of the kind that the set has.
CLIPS = {
    "brush_hair": {"April_09_brush_hair_u_nm_np1_ba_goo_0.avi": "120", "#20_Hair!_(1)_brush_hair_f_cm_np2_le_bad_1.avi": "211"},
    "kick": {"Kick&Rush;_[2]~_kick_f_cm_np1_fr_med_0.avi": "112", "never_kick_f_cm_np1_fr_med_1.avi": "000"},
    "kick_ball": {"Goal+1@_kick_ball_f_cm_np1_ri_goo_0.avi": "112", "Goal_kick_ball_f_cm_np1_ri_goo_1.avi": "221"},
}


@pytest.fixture
def hmdb(tmp_path: Path) -> Path:
    root = tmp_path / "hmdb"
    (root / LISTS).mkdir(parents=True)
    for name, clips in CLIPS.items():
        (root / "hmdb51" / name).mkdir(parents=True)
        for clip in clips:
            (root / "hmdb51" / name / clip).write_text(clip)
        for fold in (1, 2, 3):
            text = "".join(f"{clip} {flags[fold - 1]} \n" for clip, flags in clips.items())
            (root / LISTS / f"{name}_test_split{fold}.txt").write_text(text)
    return root


def test_three_folds_are_indexed_as_they_lie(hmdb: Path, make_context: Callable[..., Context]) -> None:
    (hmdb / "hmdb51" / "kick" / "in_no_list.avi").write_text("")
    ctx = make_context(hmdb, layout="hmdb51")
    run(ctx)
    media = {row["id"]: row for row in lines(ctx.out / "media.jsonl")}
    assert len(media) == 6 and ctx.ledger.counts() == {"ok": 6}
    assert media["Kick&Rush;_[2]~_kick_f_cm_np1_fr_med_0"]["splits"] == ["1/train", "2/train", "3/test"]
    assert media["April_09_brush_hair_u_nm_np1_ba_goo_0"]["splits"] == ["1/train", "2/test", "few-shot/train"]
    said = {row["video_id"]: row["classes"] for row in lines(ctx.out / "annotations.jsonl")}
    assert said["Goal_kick_ball_f_cm_np1_ri_goo_1"] == ["kick_ball"] and said["Kick&Rush;_[2]~_kick_f_cm_np1_fr_med_0"] == ["kick"]
    assert read(hmdb).classes == tuple(CLIPS)


def test_a_clip_of_flag_0_is_in_no_fold(hmdb: Path) -> None:
    (video,) = (video for video in read(hmdb).videos if video.id.startswith("never"))
    assert video.splits == () and video.path == "hmdb51/kick/never_kick_f_cm_np1_fr_med_1.avi"


def test_a_clip_without_a_file_is_missing(hmdb: Path, make_context: Callable[..., Context]) -> None:
    (hmdb / "hmdb51" / "kick" / "never_kick_f_cm_np1_fr_med_1.avi").rename(hmdb / "hmdb51" / "kick" / "Never_kick_f_cm_np1_fr_med_1.avi")
    ctx = make_context(hmdb, layout="hmdb51")
    run(ctx)
    (lost,) = ctx.ledger.lost()
    assert lost.state == "missing" and lost.reason.endswith("hmdb51/kick/Never_kick_f_cm_np1_fr_med_1.avi is")


@pytest.mark.parametrize(("folder", "lists"), [("videos", "splits"), ("hmdb51_org", "test_train_splits/testTrainMulti_7030_splits")])
def test_folders_may_be_called_as_archives_call_them(folder: str, lists: str, hmdb: Path) -> None:
    (hmdb / "hmdb51").rename(hmdb / folder)
    (hmdb / lists).parent.mkdir(exist_ok=True)
    (hmdb / LISTS).rename(hmdb / lists)
    found = list(sources(IndexParams(layout="hmdb51"), hmdb))
    assert len(found) == 9 + 6 and {video.path for video in read(hmdb).videos} <= set(found)


def test_no_list_at_all_is_said_with_the_form_of_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"testTrainMulti_7030_splits/<class>_test_split<fold>.txt is not there"):
        read(tmp_path)


def test_a_list_that_a_fold_lacks_is_named(hmdb: Path) -> None:
    (hmdb / LISTS / "kick_test_split2.txt").unlink()
    with pytest.raises(DataError, match=r"testTrainMulti_7030_splits/kick_test_split2.txt is not there"):
        read(hmdb)


@pytest.mark.parametrize(
    ("file", "line", "says"),
    [
        ("kick_test_split1.txt", "x_kick_f_0.avi", "line 3: expected '<clip>.avi <0, 1 or 2>', found 'x_kick_f_0.avi'"),
        ("kick_test_split1.txt", "x_kick_f_0.avi 3", "line 3: expected '<clip>.avi <0, 1 or 2>'"),
        ("kick_test_split3.txt", "../x.avi 1", "line 3: expected '<clip>.avi <0, 1 or 2>'"),
        ("kick_test_split2.txt", "never_kick_f_cm_np1_fr_med_1.avi 1", "line 3: never_kick_f_cm_np1_fr_med_1.avi stands there twice"),
        (
            "kick_ball_test_split1.txt",
            "never_kick_f_cm_np1_fr_med_1.avi 1",
            "clip never_kick_f_cm_np1_fr_med_1.avi: it is in the lists of kick already",
        ),
    ],
)
def test_a_wrong_line_is_named(file: str, line: str, says: str, hmdb: Path) -> None:
    path = hmdb / LISTS / file
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(DataError) as caught:
        read(hmdb)
    assert f"{LISTS}/{file}, {says}" in caught.value.message
