"""MSVD-QA: ``YouTubeClips/<name>.avi``, ``youtube_mapping.txt`` ("<name> vid<n>" a line), ``{train,val,test}_qa.json``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from cache.errors import nearest
from stages.index.absence import is_file
from stages.index.annotations import Problems, read_lines, require
from stages.index.dataset import Dataset, Layout
from stages.index.question_files import FILES, SPLITS, read_questions, videos_of

FOLDER = "YouTubeClips"
MAPPING = "youtube_mapping.txt"
#: The name may begin with "-" and hold "_"; it names a file, so it may not leave its folder.
LINE = re.compile(r"(?P<name>[^\s/\\\0]+) vid(?P<number>[0-9]{1,18})")


def sources(root: Path) -> Iterator[str]:
    """The mapping, the annotations, and the clips that the mapping names."""
    require(root, [MAPPING, *FILES.values()])
    yield MAPPING
    yield from FILES.values()
    for _, line in read_lines(root, MAPPING):
        match = LINE.fullmatch(line)
        if match and is_file(root / _path(match["name"])):
            yield _path(match["name"])


def read(root: Path) -> Dataset:
    """Read the dataset; only videos with a question count. Raises DataError on a bad mapping or annotation."""
    require(root, [MAPPING, *FILES.values()])
    names = read_mapping(root)

    def check(id: int) -> str:
        if id in names:
            return ""
        near = nearest(str(id), [str(n) for n in names])
        return f"key 'video_id': {id} is not in {MAPPING}" + (f" ({near})" if near.startswith("did") else "")

    questions = read_questions(root, check)
    return Dataset(videos_of(questions, lambda question: _path(names[int(question.video_id)])), questions, SPLITS)


def read_mapping(root: Path) -> dict[int, str]:
    """video_id -> name. Blank lines and carriage returns are passed over; anything else odd is a DataError naming the line."""
    problems = Problems()
    names: dict[int, str] = {}
    taken: dict[str, int] = {}
    for place, line in read_lines(root, MAPPING):
        match = LINE.fullmatch(line)
        if match is None:
            problems.add(MAPPING, place, f"expected '<name> vid<n>', found {line[:60]!r}")
            continue
        id, name = int(match["number"]), match["name"]
        if id in names:
            problems.add(MAPPING, place, f"vid{id} is also {names[id]!r}")
        elif name in taken:
            problems.add(MAPPING, place, f"{name!r} is also vid{taken[name]}")
        names.setdefault(id, name)
        taken.setdefault(name, id)
    problems.raise_if_any()
    return names


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.avi"


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "questions"))
