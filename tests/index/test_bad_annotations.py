"""Annotations that are wrong in every way: the error names file, entry and key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index.run import run
from tests.index.conftest import ANNOTATIONS, entry, write_annotations

Make = Callable[..., Context]


def _without(key: str) -> dict[str, Any]:
    return {k: v for k, v in entry(9, 1).items() if k != key}


BAD = {
    "a missing question": (_without("question"), "key 'question' is missing"),
    "a missing answer": (_without("answer"), "key 'answer' is missing"),
    "a missing video": (_without("video_id"), "key 'video_id' is missing"),
    "a misspelt key": ({**_without("video_id"), "videoid": 1}, r"key 'video_id' is missing \(did you mean 'videoid'\?\)"),
    "a text for a video": ({**entry(9, 1), "video_id": "1"}, r"key 'video_id': expected an integer, found a text \(\"1\"\)"),
    "true for a video": ({**entry(9, 1), "video_id": True}, "key 'video_id': expected an integer, found true or false"),
    "a fraction for a video": ({**entry(9, 1), "video_id": 1.0}, "key 'video_id': expected an integer, found a fraction"),
    "null for a question": ({**entry(9, 1), "question": None}, "key 'question': expected a text, found null"),
    "a list for an answer": ({**entry(9, 1), "answer": ["dog"]}, "key 'answer': expected a text, found an array"),
    "a number for an answer": (entry(9, 1, answer=2), r"key 'answer': expected a text, found an integer \(2\)"),
    "an empty question": (entry(9, 1, ""), "key 'question' is empty"),
    "a blank question": (entry(9, 1, " \t\n"), "key 'question' is empty"),
    "an empty answer": (entry(9, 1, answer=""), "key 'answer' is empty"),
    "an unknown video": (entry(9, 77), r"key 'video_id': 77 is not in youtube_mapping.txt"),
    "a negative video": (entry(9, -1), "key 'video_id': -1"),
    "a repeated id": (entry(0, 1), "key 'id': 0 is also the id of entry 0"),
    "a text for an id": (entry("x", 1), "key 'id': expected an integer"),
    "no object": ("what is it?", "expected an object, found a text"),
    "null": (None, "expected an object, found null"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_entry_is_named(msvd: Path, make_context: Make, what: str) -> None:
    bad, message = BAD[what]
    write_annotations(msvd, {"train": [*ANNOTATIONS["train"], bad]})
    ctx = make_context(msvd)
    with pytest.raises(DataError, match=rf"train_qa.json, entry 3: {message}"):
        run(ctx)
    assert not (ctx.out / "media.jsonl").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "val_qa.json, line 1, column 1: not JSON"),
        ("[{},\n {]", "val_qa.json, line 2, column 3: not JSON"),
        ('{"questions": []}', "val_qa.json: expected a JSON array of question objects, found an object"),
        ("null", "val_qa.json: expected a JSON array"),
        ("[" * 200_000, "val_qa.json: not an annotation file: nested too deeply"),
    ],
)
def test_a_file_that_is_no_array_is_named(msvd: Path, make_context: Make, text: str, message: str) -> None:
    write_annotations(msvd, {"val": text})
    with pytest.raises(DataError, match=message):
        run(make_context(msvd))


def test_a_file_that_is_not_utf8_is_named(msvd: Path, make_context: Make) -> None:
    (msvd / "test_qa.json").write_bytes(b'[{"question": "caf\xe9"}]')
    with pytest.raises(DataError, match=r"test_qa.json, byte 18: not UTF-8"):
        run(make_context(msvd))


def test_several_problems_are_shown_at_once_but_not_all(msvd: Path, make_context: Make) -> None:
    write_annotations(msvd, {"train": [entry(n, 1, "") for n in range(40)], "val": [{}]})
    with pytest.raises(DataError) as caught:
        run(make_context(msvd))
    assert "43 problem(s)" in str(caught.value) and "and 33 more" in str(caught.value)
    assert str(caught.value).count("train_qa.json, entry") == 10


def test_the_same_id_in_two_files_is_fine(msvd: Path, make_context: Make) -> None:
    write_annotations(msvd, {"val": [entry(0, 2)]})
    run(make_context(msvd))


def test_annotations_without_a_question_are_an_error(msvd: Path, make_context: Make) -> None:
    write_annotations(msvd, {split: [] for split in ANNOTATIONS})
    with pytest.raises(DataError, match="hold no question"):
        run(make_context(msvd))


def test_msrvtt_needs_no_mapping_but_refuses_negative_ids(msrvtt: Path, make_context: Make) -> None:
    write_annotations(msrvtt, {"val": [entry(0, -3)]})
    with pytest.raises(DataError, match=r"val_qa.json, entry 0: key 'video_id': -3 is negative"):
        run(make_context(msrvtt, layout="msrvtt-qa"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("only_a_name", "expected '<name> vid<n>', found 'only_a_name'"),
        ("name vidx", "expected '<name> vid<n>'"),
        ("name  vid9", "expected '<name> vid<n>'"),
        ("../../secret vid9", "expected '<name> vid<n>'"),
        ("other_1_2 vid1", "vid1 is also 'AbCdEfGhIjK_12_20'"),
        ("AbCdEfGhIjK_12_20 vid9", "'AbCdEfGhIjK_12_20' is also vid1"),
    ],
)
def test_a_bad_line_of_the_mapping_is_named(msvd: Path, make_context: Make, line: str, message: str) -> None:
    mapping = msvd / "youtube_mapping.txt"
    mapping.write_text(mapping.read_text() + "\n" + line)
    with pytest.raises(DataError, match=rf"youtube_mapping.txt, line 6: {message}"):
        run(make_context(msvd))
