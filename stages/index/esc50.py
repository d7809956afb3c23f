"""ESC-50, sounds of 5 s in five folds: ``audio/*.wav`` and ``meta/esc50.csv`` with the columns filename, fold, target, category.

In the splits ``1/train`` and ``1/test``, fold 1 is tested and the others are trained on; so for each fold.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stages.index.annotations import Problems, read_table, require
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.walk import ending, files_in

FOLDER = "audio"
TABLE = "meta/esc50.csv"
COLUMNS = ("filename", "fold", "target", "category")
FOLDS = ("1", "2", "3", "4", "5")
SPLITS = tuple(f"{fold}/{part}" for fold in FOLDS for part in ("train", "test"))


def sources(root: Path) -> Iterator[str]:
    """The table and the sounds that are there."""
    require(root, [TABLE])
    yield TABLE
    yield from files_in(root, FOLDER, lambda name: ending(name) == ".wav")


def read(root: Path) -> Dataset:
    """Read the dataset. Raises DataError on a bad table."""
    require(root, [TABLE])
    problems = Problems()
    names: dict[int, str] = {}
    videos, said = [], []
    for place, row in read_table(root, TABLE, COLUMNS):
        wrong = _wrong(row, names)
        if wrong:
            problems.add(TABLE, place, wrong)
            continue
        id = row["filename"].removesuffix(".wav")
        splits = (f"{fold}/{'test' if fold == row['fold'] else 'train'}" for fold in FOLDS)
        videos.append(Video(id, f"{FOLDER}/{row['filename']}", tuple(splits)))
        said.append(Annotation(id, (row["category"],)))
    absent = next((number for number in range(len(names)) if number not in names), None)
    if absent is not None:
        problems.add(TABLE, "column 'target'", f"no sound has the target {absent}, and some have a higher one")
    problems.raise_if_any()
    return Dataset(videos, splits=SPLITS, annotations=said, classes=tuple(names[number] for number in sorted(names)))


def _wrong(row: dict[str, str], names: dict[int, str]) -> str:
    """What is wrong with a row, or ""; notes in ``names`` the category of its target."""
    file, target, category = row["filename"], row["target"], row["category"]
    if not file.endswith(".wav") or "/" in file or "\0" in file or file == ".wav":
        return f"column 'filename': expected '<name>.wav', found {file[:60]!r}"
    if row["fold"] not in FOLDS:
        return f"column 'fold': expected one of {', '.join(FOLDS)}, found {row['fold'][:40]!r}"
    if not (target.isascii() and target.isdigit() and len(target) < 7):
        return f"column 'target': expected a number, found {target[:40]!r}"
    if not category:
        return "column 'category' is empty"
    if names.setdefault(int(target), category) != category:
        return f"target {target} is {category!r} here and {names[int(target)]!r} before"
    return ""


LAYOUT = Layout(sources=sources, read=read, holds=("audio", "class"))
