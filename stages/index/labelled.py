"""Videos of one's own with a class each: any directory of videos, and ``classes.csv`` with the columns video, class, split.

``video`` is a path relative to the data root; ``split`` is ``train`` or ``test``, which become ``1/train`` and ``1/test``, the only fold.
Classes are in the order of their names; ids are paths without their endings. Videos that the table does not name are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cache.stage import Absent
from stages.index import folder
from stages.index.annotations import Problems, read_table, require
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.own_tables import wrong_path

TABLE = "classes.csv"
COLUMNS = ("video", "class", "split")
SPLITS = {"train": "1/train", "test": "1/test"}


def sources(root: Path) -> Iterator[str | Absent]:
    """The table, and every video file under the root."""
    require(root, [TABLE])
    yield TABLE
    yield from folder.sources(root)


def read(root: Path) -> Dataset:
    """Read the table. Raises DataError that names the lines that are wrong."""
    require(root, [TABLE])
    problems = Problems()
    rows: dict[str, dict[str, str]] = {}
    for place, row in read_table(root, TABLE, COLUMNS):
        wrong = f"the video {row['video'][:60]!r} stands there twice" if row["video"] in rows else _wrong(row)
        if wrong:
            problems.add(TABLE, place, wrong)
        else:
            rows[row["video"]] = row
    problems.raise_if_any()
    ids = folder.ids_of(sorted(rows))
    videos = [Video(id, path, (SPLITS[rows[path]["split"]],)) for path, id in ids.items()]
    said = [Annotation(id, (rows[path]["class"],)) for path, id in ids.items()]
    return Dataset(videos, splits=tuple(SPLITS.values()), annotations=said, classes=tuple(sorted({row["class"] for row in rows.values()})))


def _wrong(row: dict[str, str]) -> str:
    """What is wrong with a row, or ""."""
    if wrong := wrong_path(row["video"]):
        return wrong
    if not row["class"].strip() or row["class"] != row["class"].strip():
        return f"column 'class': expected a name without blanks around it, found {row['class'][:60]!r}"
    if row["split"] not in SPLITS:
        return f"column 'split': expected train or test, found {row['split'][:40]!r}"
    return ""


LAYOUT = Layout(sources=sources, read=read, lying=folder.every_file, holds=("videos", "class"))
