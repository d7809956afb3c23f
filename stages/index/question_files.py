"""Files of video question answering: a JSON array of {question, answer, video_id, id?}, one file a split."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cache.errors import DataError, nearest
from stages.index.annotations import HINT, Problems, read_json
from stages.index.dataset import Question, Video, id_order

SPLITS = ("train", "val", "test")
FILES = {split: f"{split}_qa.json" for split in SPLITS}
KEYS = {"question": str, "answer": str, "video_id": int}


def read_questions(root: Path, check_video: Callable[[int], str]) -> list[Question]:
    """Read all three files, in the order train, val, test.

    ``check_video`` returns what is wrong with a ``video_id``, or "". Raises DataError naming file, entry (from 0) and key.
    """
    problems = Problems()
    questions: list[Question] = []
    for split in SPLITS:
        file = FILES[split]
        seen: dict[int, int] = {}
        for number, entry in enumerate(read_json_array(root, file)):
            wrong = list(_wrong(entry, seen, number)) or [w for w in [check_video(entry["video_id"])] if w]
            for what in wrong:
                problems.add(file, f"entry {number}", what)
            if not wrong:
                questions.append(Question(split, number, str(entry["video_id"]), entry["question"], entry["answer"]))
    problems.raise_if_any()
    if not questions:
        raise DataError(f"{', '.join(FILES.values())} hold no question", hint=HINT)
    return questions


def read_json_array(root: Path, file: str) -> list[Any]:
    """Read ``file`` as a JSON array. Raises DataError if it is not there, not JSON or not an array."""
    value = read_json(root, file)
    if not isinstance(value, list):
        raise DataError(f"{file}: expected a JSON array of question objects, found {_kind(value)}")
    return value


def videos_of(questions: list[Question], path_of: Callable[[Question], str]) -> list[Video]:
    """The videos that have a question, sorted by id; a video's path is that of its first question."""
    first: dict[str, Question] = {}
    splits: dict[str, set[str]] = {}
    for question in questions:
        first.setdefault(question.video_id, question)
        splits.setdefault(question.video_id, set()).add(question.split)
    return [Video(id, path_of(first[id]), tuple(s for s in SPLITS if s in splits[id])) for id in sorted(first, key=id_order)]


def _wrong(entry: Any, seen: dict[int, int], number: int) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f"expected an object, found {_kind(entry)}"
        return
    for key, kind in KEYS.items():
        if key not in entry:
            near = nearest(key, [str(k) for k in entry])
            yield f"key '{key}' is missing" + (f" ({near})" if near.startswith("did") else "")
        elif not _is(entry[key], kind):
            yield f"key '{key}': expected {'an integer' if kind is int else 'a text'}, found {_kind(entry[key])}"
        elif kind is str and not entry[key].strip():
            yield f"key '{key}' is empty"
        elif kind is str and not _is_text(entry[key]):
            yield f"key '{key}' holds half a character: {entry[key][:40]!a}"
    if "id" in entry:
        if not _is(entry["id"], int):
            yield f"key 'id': expected an integer, found {_kind(entry['id'])}"
        elif seen.setdefault(entry["id"], number) != number:
            yield f"key 'id': {entry['id']} is also the id of entry {seen[entry['id']]}"


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)


def _is_text(value: str) -> bool:
    """Whether it can be written: JSON can spell halves of characters, ``\\ud800``."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "an array", str: "a text", bool: "true or false", int: "an integer", float: "a fraction"}
    name = names.get(type(value), "null")
    return f"{name} ({json.dumps(value)[:40]})" if isinstance(value, str | int | float) else name
