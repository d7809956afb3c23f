"""Videos of one's own with questions: any directory of videos, and ``questions.csv`` with the columns video, question, answer, split.

``video`` is a path relative to the data root; ``split`` is ``train``, ``val`` or ``test``. A video's id is its number, from 0, in the order
in which the table names videos first, so rows that are added at the end change no id. Videos without a question are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cache.stage import Absent
from stages.index import folder
from stages.index.annotations import Problems, require
from stages.index.dataset import Dataset, Layout, Question
from stages.index.own_tables import SPLITS, rows_of, wrong_path, wrong_split
from stages.index.question_files import videos_of

TABLE = "questions.csv"
COLUMNS = ("video", "question", "answer", "split")


def sources(root: Path) -> Iterator[str | Absent]:
    """The table, and every video file under the root."""
    require(root, [TABLE])
    yield TABLE
    yield from folder.sources(root)


def read(root: Path) -> Dataset:
    """Read the table. Raises DataError that names the lines that are wrong."""
    problems = Problems()
    numbers: dict[str, str] = {}  # path -> id
    asked: dict[tuple[str, ...], str] = {}  # row -> its place
    counts = dict.fromkeys(SPLITS, 0)
    questions: list[Question] = []
    for place, row in rows_of(root, TABLE, COLUMNS):
        cells = tuple(row[name] for name in COLUMNS)
        wrong = _wrong(row) or (f"the same row stands in {asked[cells]}" if cells in asked else "")
        if wrong:
            problems.add(TABLE, place, wrong)
            continue
        asked[cells] = place
        id, split = numbers.setdefault(row["video"], str(len(numbers))), row["split"]
        questions.append(Question(split, counts[split], id, row["question"], row["answer"]))
        counts[split] += 1
    for split in SPLITS:
        if not counts[split] and not problems.found:
            problems.add(
                TABLE, "column 'split'", f"no question is in {split}: networks learn from train, are chosen by val, scored on test"
            )
    problems.raise_if_any()
    paths = {id: path for path, id in numbers.items()}
    in_order = sorted(questions, key=lambda question: SPLITS.index(question.split))
    return Dataset(videos_of(in_order, lambda question: paths[question.video_id]), in_order, SPLITS)


def _wrong(row: dict[str, str]) -> str:
    """What is wrong with a row, or ""."""
    empty = next((name for name in ("question", "answer") if not row[name]), "")
    return wrong_path(row["video"]) or (f"column {empty!r} is empty" if empty else wrong_split(row["split"]))


LAYOUT = Layout(sources=sources, read=read, lying=folder.every_file, holds=("videos", "questions"))
