"""Kinetics as its authors publish it and copies hold it: tables, folders with blanks or underscores, clips that are gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index import IndexParams
from stages.index.adapters import adapter
from stages.index.kinetics import read
from stages.index.run import run
from stages.index.sources import sources
from tests.index.conftest import lines

HEAD = "label,youtube_id,time_start,time_end,split"
ROWS = {
    "train": [
        "abseiling,-0aaaaaaaa1,7,17,train",
        '"tying knot (not on a tie)",aaaaaaaaa-2,120,130,train',
        "air drumming,bbbbbbbbbb3,0,10,train",
    ],
    "val": ["air drumming,cccccccccc4,1001,1011,val"],
    "test": ["abseiling,dddddddddd5,3,13,test"],
}
PATHS = {
    "-0aaaaaaaa1_000007_000017": "train/abseiling/-0aaaaaaaa1_000007_000017.mp4",
    "aaaaaaaaa-2_000120_000130": "train/tying_knot_(not_on_a_tie)/aaaaaaaaa-2_000120_000130.mp4",
    "bbbbbbbbbb3_000000_000010": "train/air_drumming/bbbbbbbbbb3_000000_000010.mp4",
    "cccccccccc4_001001_001011": "val/air_drumming/cccccccccc4_001001_001011.mp4",
    "dddddddddd5_000003_000013": "test/abseiling/dddddddddd5_000003_000013.mp4",
}
SOME = "bbbbbbbbbb3_000000_000010"


@pytest.fixture
def kinetics(tmp_path: Path) -> Path:
    root = tmp_path / "kinetics"
    (root / "annotations").mkdir(parents=True)
    for part, rows in ROWS.items():
        table(root, part).write_text("\n".join([HEAD, *rows]) + "\n")
    for path in PATHS.values():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def table(root: Path, part: str) -> Path:
    return root / "annotations" / f"{part}.csv"


def add(root: Path, part: str, row: str) -> None:
    table(root, part).write_text(f"{table(root, part).read_text()}{row}\n")


def path_of(root: Path, clip: str = SOME) -> str:
    return next(video.path for video in read(root).videos if video.id == clip)


def test_the_tables_are_indexed_as_they_lie(kinetics: Path, make_context: Callable[..., Context]) -> None:
    ctx = make_context(kinetics, layout="kinetics")
    run(ctx)
    media = {row["id"]: row for row in lines(ctx.out / "media.jsonl")}
    assert {id: row["path"] for id, row in media.items()} == PATHS and ctx.ledger.counts() == {"ok": 5}
    assert media["cccccccccc4_001001_001011"]["splits"] == ["val"] and media[SOME]["splits"] == ["train"]
    said = {row["video_id"]: row["classes"] for row in lines(ctx.out / "annotations.jsonl")}
    assert said["aaaaaaaaa-2_000120_000130"] == ["tying knot (not on a tie)"]
    assert read(kinetics).classes == ("abseiling", "air drumming", "tying knot (not on a tie)")


@pytest.mark.parametrize(
    "place",
    [
        *("train/air drumming", "train/Air_Drumming", "train", "val/air_drumming", "videos/air_drumming", "air_drumming"),
        "validation/air_drumming",
    ],
)
def test_a_clip_is_found_where_copies_have_it(place: str, kinetics: Path) -> None:
    (kinetics / place).mkdir(exist_ok=True, parents=True)
    (kinetics / PATHS[SOME]).rename(kinetics / place / f"{SOME}.mkv")
    assert path_of(kinetics) == f"{place}/{SOME}.mkv"
    assert f"{place}/{SOME}.mkv" in set(sources(IndexParams(layout="kinetics"), kinetics))


def test_a_folder_without_the_brackets_of_a_label_is_the_labels(kinetics: Path) -> None:
    (kinetics / "train/tying_knot_(not_on_a_tie)").rename(kinetics / "train/tying_knot_not_on_a_tie")
    assert path_of(kinetics, "aaaaaaaaa-2_000120_000130") == "train/tying_knot_not_on_a_tie/aaaaaaaaa-2_000120_000130.mp4"


def test_of_several_copies_the_one_of_its_part_and_class_is_taken(kinetics: Path) -> None:
    for place in ("test/air_drumming", "train", "train/abseiling"):
        (kinetics / place / f"{SOME}.mp4").parent.mkdir(exist_ok=True)
        (kinetics / place / f"{SOME}.mp4").write_text("copy")
    assert path_of(kinetics) == PATHS[SOME]


def test_a_clip_that_is_gone_is_missing_and_one_in_the_folder_of_another_class_is_not_it(
    kinetics: Path, make_context: Callable[..., Context]
) -> None:
    (kinetics / PATHS[SOME]).rename(kinetics / "train" / "abseiling" / f"{SOME}.mp4")
    ctx = make_context(kinetics, layout="kinetics")
    run(ctx)
    (lost,) = ctx.ledger.lost()
    assert (lost.id, lost.state, lost.reason) == (SOME, "missing", f"{PATHS[SOME]} is not there")


def test_tables_may_have_the_names_of_other_releases(kinetics: Path) -> None:
    table(kinetics, "train").rename(kinetics / "kinetics_train.csv")
    table(kinetics, "val").write_text(table(kinetics, "val").read_text().replace(",val", ",validate"))
    table(kinetics, "val").rename(kinetics / "annotations" / "validate.csv")
    table(kinetics, "test").unlink()
    assert len(read(kinetics).videos) == 4


def test_a_test_table_without_labels_is_counted(kinetics: Path) -> None:
    table(kinetics, "test").write_text("youtube_id,time_start,time_end,split\ndddddddddd5,3,13,test\n")
    dataset = read(kinetics)
    assert len(dataset.videos) == 4 and dataset.about == {"without_label": 1}


def test_an_id_that_a_spreadsheet_spoiled_is_missing(kinetics: Path, make_context: Callable[..., Context]) -> None:
    add(kinetics, "train", "abseiling,#NAME?,7,17,train")
    ctx = make_context(kinetics, layout="kinetics")
    run(ctx)
    (lost,) = ctx.ledger.lost()
    assert (lost.id, lost.state) == ("train: #NAME?_000007_000017", "missing")
    assert lost.reason == "annotations/train.csv, line 5: '#NAME?' is no id of a video"


def test_a_clip_that_stands_twice_is_noted(kinetics: Path, make_context: Callable[..., Context]) -> None:
    add(kinetics, "train", "abseiling,bbbbbbbbbb3,0,10,train")
    add(kinetics, "test", "air drumming,cccccccccc4,1001,1011,test")
    add(kinetics, "test", "abseiling,dddddddddd5,3.0,13.0,test")
    ctx = make_context(kinetics, layout="kinetics")
    run(ctx)
    told = {entry.id: entry.reason for entry in ctx.ledger.sorted() if entry.state == "noted"}
    assert told == {
        SOME: "annotations/train.csv, line 5, calls it 'abseiling', too",
        "cccccccccc4_001001_001011": "it is in the tables of val and test",
    }
    assert ctx.ledger.counts() == {"ok": 3, "noted": 2}


def test_few_shot_lists_are_read_with_blanks_in_their_classes(kinetics: Path) -> None:
    lists = kinetics / "splits" / "kineticsTrainTestlist"
    lists.mkdir(parents=True)
    (lists / "trainlist03.txt").write_text("abseiling/-0aaaaaaaa1_000007_000017\n")
    (lists / "testlist03.txt").write_text(f"air drumming/{SOME}\nair drumming/gone0000000_000000_000010\n")
    whole = read(kinetics)
    assert {video.id: video.splits for video in whole.videos}[SOME] == ("train", "few-shot/test")
    assert list(whole.absent) == ["few-shot/test: air drumming/gone0000000_000000_000010"]
    few = adapter("kinetics-few-shot").read(kinetics)
    assert {video.id: video.path for video in few.videos} == {
        "-0aaaaaaaa1_000007_000017": PATHS["-0aaaaaaaa1_000007_000017"],
        SOME: PATHS[SOME],
        "gone0000000_000000_000010": "train/air_drumming/gone0000000_000000_000010.mp4",
    }
    assert few.classes == ("abseiling", "air drumming")


@pytest.mark.parametrize(
    ("part", "row", "says"),
    [
        ("train", "abseiling,eeeeeeeeee6,soon,17,train", "line 5: column 'time_start': expected whole seconds, found 'soon'"),
        ("train", "abseiling,eeeeeeeeee6,7,17.5,train", "line 5: column 'time_end': expected whole seconds, found '17.5'"),
        ("val", "abseiling,eeeeeeeeee6,7,17,train", "line 3: column 'split': expected val or validate or validation, found 'train'"),
        ("val", ",eeeeeeeeee6,7,17,val", "line 3: column 'label': expected a name, found ''"),
    ],
)
def test_a_wrong_row_is_named(part: str, row: str, says: str, kinetics: Path) -> None:
    add(kinetics, part, row)
    with pytest.raises(DataError) as caught:
        read(kinetics)
    assert f"annotations/{part}.csv, {says}" in caught.value.message


def test_a_table_that_is_not_there_is_named(kinetics: Path) -> None:
    table(kinetics, "val").unlink()
    with pytest.raises(DataError, match=r"annotations/val.csv is not there"):
        read(kinetics)


@pytest.mark.parametrize("file", ["annotations/test.csv", "splits/kineticsTrainTestlist/trainlist03.txt"])
def test_a_link_into_nothing_in_place_of_a_file_that_may_be_absent_is_refused(file: str, kinetics: Path) -> None:
    (kinetics / file).unlink(missing_ok=True)
    (kinetics / file).parent.mkdir(parents=True, exist_ok=True)
    (kinetics / file).symlink_to("not-there")
    with pytest.raises(DataError, match=file):
        read(kinetics)


def test_a_data_root_without_a_clip_is_not_ten_thousand_missing_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip of Kinetics lies under the data root"):
        adapter("kinetics-few-shot").read(tmp_path)
