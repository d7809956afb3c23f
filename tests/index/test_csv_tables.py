"""Datasets of one's own by a table: ``questions.csv`` and ``labels.csv`` beside any directory of files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index import csv_av, csv_labels, csv_qa, csv_sounds, csv_tags
from stages.index.adapters import adapter
from stages.index.run import run
from tests.index.conftest import lines

QUESTIONS = """video,question,answer,split,remark
cats/b.mp4,who sleeps?,cat,train,x
a.avi,"one, or two?","two, I think",train,
a.avi,what is it?,dog,val,
cats/b.mp4,where is it?,box,test,
"""
LABELS = "video,label,split\ncats/b.mp4,cat,train\na.avi,dog,train\nc.mkv,cat,test\n"


def lay(root: Path, table: str, text: str | bytes, *files: str) -> Path:
    """A data root with a table and files of any content."""
    for path in files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    (root / table).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    return lay(tmp_path, csv_qa.TABLE, QUESTIONS, "cats/b.mp4", "a.avi", "stranger.mp4")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    return lay(tmp_path, csv_labels.TABLE, LABELS, "cats/b.mp4", "a.avi", "c.mkv", "stranger.mp4")


def refusal(layout: str, root: Path) -> str:
    with pytest.raises(DataError) as refused:
        adapter(layout).read(root)
    return str(refused.value)


def test_questions_keep_their_split_and_their_place_in_it(asked: Path, make_context: Callable[..., Context]) -> None:
    ctx = make_context(asked, layout="csv-qa")
    run(ctx)
    found = [(q["split"], q["question_id"], q["video_id"], q["answer"]) for q in lines(ctx.out / "questions.jsonl")]
    assert found == [("train", 0, "0", "cat"), ("train", 1, "1", "two, I think"), ("val", 0, "1", "dog"), ("test", 0, "0", "box")]


def test_a_video_is_numbered_by_its_first_row_so_rows_at_the_end_change_no_number(asked: Path) -> None:
    before = {video.path: video.id for video in csv_qa.read(asked).videos}
    assert before == {"cats/b.mp4": "0", "a.avi": "1"}
    (asked / csv_qa.TABLE).write_text(QUESTIONS + "A.avi,who?,man,test,\n")
    assert {video.path: video.id for video in csv_qa.read(asked).videos} == {**before, "A.avi": "2"}


def test_a_video_without_a_file_is_lost_by_name_and_its_questions_stay(asked: Path, make_context: Callable[..., Context]) -> None:
    (asked / "a.avi").unlink()
    ctx = make_context(asked, layout="csv-qa")
    run(ctx)
    (lost,) = ctx.ledger.lost()
    assert (lost.id, lost.state) == ("1", "missing") and "a.avi is not there" in lost.reason
    assert len(lines(ctx.out / "questions.jsonl")) == 4


def test_a_byte_order_mark_carriage_returns_blank_lines_and_blanks_do_not_matter(asked: Path) -> None:
    plain = csv_qa.read(asked)
    untidy = QUESTIONS.replace("cats/b.mp4,who sleeps?,cat", "cats/b.mp4 , who sleeps? ,cat").replace("\n", "\r\n\r\n")
    (asked / csv_qa.TABLE).write_bytes(b"\xef\xbb\xbf" + untidy.encode())
    assert csv_qa.read(asked) == plain


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("a.avi,who, or what?,dog,test", "line 6: 1 more cell(s) than the header has, from 'test' on"),
        ("a.avi,who?,dog,Test", "line 6: column 'split': expected train, val or test, found 'Test' (did you mean 'test'"),
        ("a.avi,who?,dog", "line 6: column 'split': expected train, val or test, found ''"),
        ("a.avi,who?,,test", "line 6: column 'answer' is empty"),
        ("a.avi, ,dog,test", "line 6: column 'question' is empty"),
        ("/a.avi,who?,dog,test", "line 6: column 'video': expected a path relative to the data root"),
        ("a.avi,what is it?,dog,val", "line 6: the same row stands in line 4"),
        ('a.avi,"who?,dog,test', "line 6: unexpected end of data"),
    ],
)
def test_a_row_of_questions_that_is_wrong_is_named(row: str, says: str, asked: Path) -> None:
    (asked / csv_qa.TABLE).write_text(QUESTIONS.replace(",remark", "").replace(",x\n", "\n").replace(",\n", "\n") + row + "\n")
    assert says in refusal("csv-qa", asked)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"video,question,anser,split\na,b,c,train\n", "line 1: no column answer\n  did you mean 'anser'"),
        (b"video;question;answer;split\na;b;c;train\n", "line 1: its cells are divided by semicolons, not by commas"),
        (b"video,question,answer,split,answer\na,b,c,train,d\n", "line 1: the column 'answer' stands there twice"),
        (b"video,question,answer,split\n", "questions.csv holds no row but its header"),
        (b"", "no column video"),
        ("video,question\n".encode("utf-16"), "not UTF-8 text, but UTF-16"),
        (b"video,question,answer,split\na.avi,b,c,train\n", "no question is in val"),
    ],
)
def test_a_table_of_questions_that_cannot_be_read_is_refused_with_the_reason(text: bytes, says: str, asked: Path) -> None:
    (asked / csv_qa.TABLE).write_bytes(text)
    assert says in refusal("csv-qa", asked)


def test_videos_have_the_label_and_the_split_of_their_row(labelled: Path, make_context: Callable[..., Context]) -> None:
    ctx = make_context(labelled, layout="csv-labels")
    run(ctx)
    media = {row["id"]: (row["path"], row["splits"]) for row in lines(ctx.out / "media.jsonl")}
    train, test = ["train", "1/train"], ["test", "1/test"]
    assert media == {"a": ("a.avi", train), "c": ("c.mkv", test), "cats/b": ("cats/b.mp4", train)}
    assert {row["video_id"]: row["classes"] for row in lines(ctx.out / "annotations.jsonl")} == {
        "a": ["dog"],
        "c": ["cat"],
        "cats/b": ["cat"],
    }
    assert json.loads((ctx.out / "dataset.json").read_text())["classes"] == ["cat", "dog"]


def test_splits_that_share_no_label_are_few_shot_splits(labelled: Path) -> None:
    (labelled / csv_labels.TABLE).write_text("video,label,split\na.avi,dog,train\nc.mkv,cat,test\ncats/b.mp4,cow,val\n")
    assert {video.id: video.splits for video in csv_labels.LAYOUT.read(labelled).videos} == {
        "a": ("few-shot/train",), "c": ("few-shot/test",), "cats/b": ("few-shot/val",),
    }  # fmt: skip


def test_without_a_column_of_splits_a_fifth_of_each_label_is_tested_and_always_the_same(labelled: Path) -> None:
    rows = [f"{label}{number}.mp4,{label}" for label in ("cat", "dog") for number in range(10)]
    (labelled / csv_labels.TABLE).write_text("\n".join(["video,label", *rows, "lone.mp4,cow"]))
    videos = csv_labels.LAYOUT.read(labelled).videos
    tested = [video.id for video in videos if "1/test" in video.splits]
    assert sorted(id[:3] for id in tested) == ["cat", "cat", "dog", "dog"]
    (labelled / csv_labels.TABLE).write_text("\n".join(["video,label", *reversed(rows), "lone.mp4,cow"]))
    assert csv_labels.LAYOUT.read(labelled).videos == videos


def test_a_video_may_have_several_labels_where_the_layout_says_so(labelled: Path) -> None:
    (labelled / csv_labels.TABLE).write_text("video,labels,split\na.avi,dog|big dog,train\nc.mkv, cat | dog ,test\n")
    said = {annotation.video_id: annotation.classes for annotation in csv_tags.LAYOUT.read(labelled).annotations}
    assert said == {"a": ("dog", "big dog"), "c": ("cat", "dog")}


@pytest.mark.parametrize(
    ("layout", "rows", "says"),
    [
        ("csv-labels", "video,label,split\na.avi,dog,train\na.avi,cat,test", "line 3: the video 'a.avi' stands in line 2 already"),
        ("csv-labels", "video,label,split\na.avi,,train", "line 2: column 'label' is empty"),
        ("csv-labels", "video,label,split\na.avi,dog,dev", "line 2: column 'split': expected train, val or test, found 'dev'"),
        ("csv-labels", "video,labels\na.avi,dog", "line 1: no column label\n  did you mean 'labels'"),
        ("csv-tags", "video,labels\na.avi,dog|dog", "line 2: column 'labels': a label stands twice"),
        ("csv-tags", "video,labels\na.avi,dog||cat", "line 2: column 'labels': an empty label"),
    ],
)
def test_a_row_of_labels_that_is_wrong_is_named(layout: str, rows: str, says: str, labelled: Path) -> None:
    (labelled / csv_labels.TABLE).write_text(rows)
    assert says in refusal(layout, labelled)


def test_only_the_layout_of_sounds_takes_sound_files(labelled: Path) -> None:
    (labelled / "dog.wav").write_text("woof")
    assert "dog.wav" in list(csv_sounds.LAYOUT.sources(labelled))
    assert "dog.wav" not in list(csv_labels.LAYOUT.sources(labelled))
    assert (csv_sounds.LAYOUT.streams, csv_av.LAYOUT.streams, csv_labels.LAYOUT.streams) == (("audio",), ("video", "audio"), ("video",))


@pytest.mark.parametrize(("layout", "table"), [("csv-qa", "questions.csv"), ("csv-labels", "labels.csv"), ("csv-sounds", "labels.csv")])
def test_a_folder_without_the_table_is_refused_by_name(layout: str, table: str, tmp_path: Path) -> None:
    for look in (adapter(layout).read, lambda root: list(adapter(layout).sources(root))):
        with pytest.raises(DataError, match=f"{table} is not there"):
            look(tmp_path)
