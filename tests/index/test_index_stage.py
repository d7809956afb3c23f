"""The index of each layout, written out."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import ConfigError, DataError
from cache.stage import Context
from stages.index import IndexParams
from stages.index.run import run
from stages.index.sources import sources
from tests.index.conftest import NAMES, lines

Make = Callable[..., Context]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_msvd_qa_is_indexed_as_it_lies(msvd: Path, make_context: Make) -> None:
    ctx = make_context(msvd, layout="msvd-qa")
    run(ctx)
    media = lines(ctx.out / "media.jsonl")
    assert [(row["id"], row["splits"]) for row in media] == [("1", ["train"]), ("2", ["val", "test"]), ("3", ["test"]), ("10", ["train"])]
    assert [row["path"] for row in media] == [f"YouTubeClips/{NAMES[int(row['id'])]}.avi" for row in media]
    assert [row["digest"] for row in media] == [_sha(f"video {row['id']}") for row in media]
    questions = lines(ctx.out / "questions.jsonl")
    assert [(q["split"], q["question_id"], q["video_id"]) for q in questions] == [
        ("train", 0, "1"),
        ("train", 1, "10"),
        ("train", 2, "1"),
        ("val", 0, "2"),
        ("test", 0, "3"),
        ("test", 1, "2"),
    ]
    assert questions[1] == {"split": "train", "question_id": 1, "video_id": "10", "question": "who runs?", "answer": "man"}
    assert json.loads((ctx.out / "dataset.json").read_text()) == {
        "name": "msvd-qa",
        "layout": "msvd-qa",
        "videos": 4,
        "questions": {"train": 3, "val": 1, "test": 2},
    }
    assert ctx.ledger.counts() == {"ok": 4}


def test_msrvtt_qa_is_indexed_as_it_lies(msrvtt: Path, make_context: Make) -> None:
    ctx = make_context(msrvtt, layout="msrvtt-qa", name="x")
    run(ctx)
    assert [(row["id"], row["path"]) for row in lines(ctx.out / "media.jsonl")] == [
        ("0", "TrainValVideo/video0.mp4"),
        ("7", "TrainValVideo/video7.mp4"),
        ("6513", "TrainValVideo/video6513.mp4"),
        ("7010", "TestVideo/video7010.mp4"),
    ]


def test_both_folders_of_msrvtt_may_be_links_to_one(msrvtt: Path, make_context: Make) -> None:
    (msrvtt / "all").mkdir()
    for folder in ("TrainValVideo", "TestVideo"):
        for path in (msrvtt / folder).iterdir():
            path.rename(msrvtt / "all" / path.name)
        (msrvtt / folder).rmdir()
        (msrvtt / folder).symlink_to("all")
    ctx = make_context(msrvtt, layout="msrvtt-qa")
    run(ctx)
    assert ctx.ledger.counts() == {"ok": 4}


def test_blank_lines_carriage_returns_and_a_byte_order_mark_are_passed_over(msvd: Path, make_context: Make) -> None:
    mapping = msvd / "youtube_mapping.txt"
    mapping.write_bytes(b"\xef\xbb\xbf" + b"\r\n\r\n".join(mapping.read_bytes().split(b"\n")) + b"\r\n\r\n")
    train = msvd / "train_qa.json"
    train.write_bytes(b"\xef\xbb\xbf" + train.read_bytes().replace(b", ", b",\r\n"))
    ctx = make_context(msvd)
    run(ctx)
    assert ctx.ledger.counts() == {"ok": 4}


def test_a_video_without_a_file_is_missing_not_dropped(msvd: Path, make_context: Make) -> None:
    (msvd / "YouTubeClips" / f"{NAMES[2]}.avi").unlink()
    (msvd / "YouTubeClips" / f"{NAMES[3]}.avi").unlink()
    (msvd / "YouTubeClips" / f"{NAMES[3]}.avi").mkdir()
    ctx = make_context(msvd)
    run(ctx)
    media = {row["id"]: row for row in lines(ctx.out / "media.jsonl")}
    assert media["2"] == {"id": "2", "path": None, "digest": None, "splits": ["val", "test"]}
    assert [(e.id, e.state) for e in ctx.ledger.lost()] == [("2", "missing"), ("3", "missing")]
    assert NAMES[2] in ctx.ledger.entries["2"].reason and "not a plain file" in ctx.ledger.entries["3"].reason
    assert len(lines(ctx.out / "questions.jsonl")) == 6


def test_a_digest_that_is_known_is_not_taken_again(msvd: Path, make_context: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {path: _sha(path) for path in sources(IndexParams(), msvd)}
    monkeypatch.setattr("stages.index.run.digest_file", lambda path: pytest.fail("hashed again"))
    ctx = make_context(msvd, known)
    run(ctx)
    assert all(row["digest"] == _sha(row["path"]) for row in lines(ctx.out / "media.jsonl"))


def test_the_index_is_the_same_bytes_wherever_it_lies(msvd: Path, make_context: Make) -> None:
    first = make_context(msvd, name="first")
    run(first)
    moved = msvd.rename(msvd.parent / "elsewhere")
    second = make_context(moved, name="second")
    run(second)
    for name in ("dataset.json", "media.jsonl", "questions.jsonl"):
        assert (first.out / name).read_bytes() == (second.out / name).read_bytes()


def test_a_name_can_be_given(msvd: Path) -> None:
    assert IndexParams(layout="msvd-qa", name="mine").name == "mine"


def test_sources_name_annotations_and_the_videos_that_are_there(msvd: Path, msrvtt: Path) -> None:
    (msvd / "YouTubeClips" / "stranger.avi").write_text("not in the mapping")
    (msvd / "YouTubeClips" / f"{NAMES[2]}.avi").unlink()
    qa = ["train_qa.json", "val_qa.json", "test_qa.json"]
    clips = [f"YouTubeClips/{NAMES[id]}.avi" for id in (1, 3, 4, 10)]
    assert list(sources(IndexParams(layout="msvd-qa"), msvd)) == ["youtube_mapping.txt", *qa, *clips]
    (msrvtt / "TestVideo" / "notes.txt").write_text("")
    found = list(sources(IndexParams(layout="msrvtt-qa"), msrvtt))
    assert found[:3] == qa and len(found) == 8 and "TestVideo/notes.txt" not in found


def test_sources_import_nothing_heavy() -> None:
    code = "import sys, stages.index.sources; print(sorted({'torch', 'av', 'numpy', 'h5py', 'pandas', 'PIL'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("layout", ["msvd-qa", "msrvtt-qa"])
def test_a_root_without_the_files_is_an_error_that_names_the_file(tmp_path: Path, make_context: Make, layout: str) -> None:
    with pytest.raises(DataError, match=r"(youtube_mapping.txt|train_qa.json) is not there"):
        list(sources(IndexParams(layout=layout), tmp_path))
    with pytest.raises(DataError, match=r"DATASETS.md"):
        run(make_context(tmp_path, layout=layout))


def test_a_near_miss_of_a_file_name_is_named(msvd: Path) -> None:
    (msvd / "val_qa.json").rename(msvd / "valid_qa.json")
    with pytest.raises(DataError, match=r"did you mean 'valid_qa.json'"):
        list(sources(IndexParams(), msvd))


def test_an_unknown_layout_names_the_nearest(msvd: Path, make_context: Make) -> None:
    with pytest.raises(ConfigError, match="did you mean 'msvd-qa'"):
        run(make_context(msvd, layout="msvd_qa"))


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


def test_a_folder_is_searched_recursively_and_ids_are_paths(tmp_path: Path, make_context: Make) -> None:
    root = tmp_path / "videos"
    _touch(root, "b.MP4", "a/x y.avi", "a/deep/er/z.webm", "notes.txt", ".hidden.mp4", ".git/c.mp4", "a/._b.mp4")
    ctx = make_context(root, layout="folder")
    run(ctx)
    media = lines(ctx.out / "media.jsonl")
    assert [(row["id"], row["path"]) for row in media] == [
        ("a/deep/er/z", "a/deep/er/z.webm"),
        ("a/x y", "a/x y.avi"),
        ("b", "b.MP4"),
    ]
    assert all(row["digest"] == _sha(row["path"]) and row["splits"] == [] for row in media)
    assert (ctx.out / "questions.jsonl").read_bytes() == b""


def test_files_that_would_share_an_id_keep_their_suffix(tmp_path: Path, make_context: Make) -> None:
    root = tmp_path / "videos"
    _touch(root, "a.avi", "a.mp4", "a.mp4.mkv", "b.avi")
    ctx = make_context(root, layout="folder")
    run(ctx)
    assert {row["path"]: row["id"] for row in lines(ctx.out / "media.jsonl")} == {
        "a.avi": "a.avi",
        "a.mp4": "a.mp4",
        "a.mp4.mkv": "a.mp4.mkv",
        "b.avi": "b",
    }


def test_numbered_files_are_sorted_by_number(tmp_path: Path, make_context: Make) -> None:
    root = tmp_path / "videos"
    _touch(root, "10.avi", "9.avi", "-1.avi", "x.avi", "007.avi", "²3.avi")
    ctx = make_context(root, layout="folder")
    run(ctx)
    assert [row["id"] for row in lines(ctx.out / "media.jsonl")] == ["-1", "007", "9", "10", "x", "²3"]


def test_hostile_names_are_only_names(tmp_path: Path, make_context: Make) -> None:
    root = tmp_path / "videos"
    _touch(root, "a\nb.avi", "$(touch x).avi", '";rm -rf .avi', "日本\u202e.avi")
    path = Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe.avi"))
    path.write_text("bytes")
    ctx = make_context(root, layout="folder")
    run(ctx)
    media = lines(ctx.out / "media.jsonl")
    assert {row["id"] for row in media} == {"a\nb", "$(touch x)", '";rm -rf ', "日本\u202e", "\\xff\\xfe"}
    assert all((root / row["path"]).is_file() for row in media)
    assert len(ctx.ledger.dump().splitlines()) == 5


def test_a_folder_without_videos_is_an_error_that_says_what_is_there(tmp_path: Path, make_context: Make) -> None:
    root = tmp_path / "videos"
    root.mkdir()
    with pytest.raises(DataError, match=r"no file under .*videos"):
        run(make_context(root, layout="folder"))
    with pytest.raises(DataError, match=r"no file under .*videos"):
        run(make_context(root, layout="folder-all", name="all"))
    _touch(root, "a.dat", "b.DAT", "noending", "c.x\ny", ".hidden.mp4")
    with pytest.raises(DataError, match=r"only other files: 2 \.dat, 1 .*1 without an ending") as error:
        run(make_context(root, layout="folder", name="others"))
    assert "\n" not in error.value.message and "folder-all" in error.value.hint


def test_every_file_of_a_folder_may_be_a_video(tmp_path: Path, make_context: Make) -> None:
    root = tmp_path / "videos"
    _touch(root, "clip", "a.b/film.v2", "a.b/film.v3", "x.mp4", "10", "9", ".hidden", ".git/config")
    ctx = make_context(root, layout="folder-all")
    run(ctx)
    rows = [(row["id"], row["path"], row["digest"]) for row in lines(ctx.out / "media.jsonl")]
    assert rows == [(name, name, _sha(name)) for name in ("9", "10", "a.b/film.v2", "a.b/film.v3", "clip", "x.mp4")]
    assert sorted(sources(IndexParams(layout="folder-all"), root)) == sorted(name for name, *_ in rows)
