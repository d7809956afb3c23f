"""Videos of one's own with a label each: any directory of videos, and ``labels.csv`` with the columns video, label and, if you like, split.

``video`` is a path relative to the data root; ids are paths without their endings. ``split`` is ``train``, ``val`` or ``test``; they are
also the splits of the only fold (``1/train``). If no two splits share a label, the table divides labels and not videos, as few-shot
learners want it: then they are ``few-shot/train``, ``few-shot/val`` and ``few-shot/test`` alone. Without the column, a fifth of the
videos of each label is tested: those whose paths have the smallest sha256. Classes are in the order of their names. Videos that the table
does not name are left out.

:mod:`stages.index.csv_tags` is the same with several labels a video, :mod:`stages.index.csv_av` with sound in every video,
:mod:`stages.index.csv_sounds` with sounds alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cache.stage import Absent
from stages.index import folder
from stages.index.annotations import Problems, require
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.own_tables import SPLITS, has_column, rows_of, wrong_path, wrong_split
from stages.index.walk import ending, walk

TABLE = "labels.csv"
#: Of the videos of a label, one in so many is tested where the table does not say which.
TESTED = 5


@dataclass(frozen=True)
class Labels:
    """A table of labels.

    column:  where they stand. divider: what is between several of a video; "": each has one.
    endings: of the files that count, in small letters.
    """

    column: str = "label"
    divider: str = ""
    endings: frozenset[str] = frozenset(folder.SUFFIXES)

    def sources(self, root: Path) -> Iterator[str | Absent]:
        """The table, and every file under the root whose name ends as it should."""
        require(root, [TABLE])
        yield TABLE
        yield from walk(root, lambda name: ending(name) in self.endings)

    def read(self, root: Path) -> Dataset:
        """Read the table. Raises DataError that names the lines that are wrong."""
        problems = Problems()
        labels, splits, places = dict[str, tuple[str, ...]](), dict[str, str](), dict[str, str]()
        columns = ("video", self.column)
        require(root, [TABLE])
        is_split = has_column(root, TABLE, "split")
        for place, row in rows_of(root, TABLE, (*columns, "split") if is_split else columns):
            path, own = row["video"], self._labels(row[self.column])
            wrong = wrong_path(path) or self._wrong(own) or (wrong_split(row["split"]) if is_split else "")
            if path in places:
                wrong = f"the video {path[:60]!r} stands in {places[path]} already"
            if wrong:
                problems.add(TABLE, place, wrong)
                continue
            labels[path], splits[path], places[path] = own, row["split"] if is_split else "", place
        problems.raise_if_any()
        return dataset(labels, splits if is_split else drawn(labels))

    def _labels(self, cell: str) -> tuple[str, ...]:
        return tuple(one.strip() for one in cell.split(self.divider)) if self.divider else (cell,)

    def _wrong(self, labels: tuple[str, ...]) -> str:
        """What is wrong with a cell of labels, or ""."""
        if not all(labels):
            return f"column {self.column!r} is empty" if labels == ("",) else f"column {self.column!r}: an empty label"
        return f"column {self.column!r}: a label stands twice" if len(set(labels)) < len(labels) else ""

    def layout(self, *files: str) -> Layout:
        """The adapter, for files that hold what ``files`` says (``"videos"``, ``"audio"``)."""
        held = "classes" if self.divider else "class"
        return Layout(sources=self.sources, read=self.read, lying=folder.every_file, holds=(*files, held))


def drawn(labels: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Path -> ``train`` or ``test``. Of a label with two videos or more at least one is tested; a video of several counts by its first."""
    of_label: dict[str, list[str]] = {}
    for path, own in labels.items():
        of_label.setdefault(own[0], []).append(path)
    tested: set[str] = set()
    for paths in of_label.values():
        shuffled = sorted(paths, key=lambda path: hashlib.sha256(path.encode("utf-8", "surrogateescape")).digest())
        tested |= set(shuffled[: max(len(paths) // TESTED, 1)] if len(paths) > 1 else ())
    return {path: "test" if path in tested else "train" for path in labels}


def dataset(labels: Mapping[str, tuple[str, ...]], splits: Mapping[str, str]) -> Dataset:
    """Files with their labels and splits (path -> ...), sorted by path."""
    used = [split for split in SPLITS if split in splits.values()]
    of_split = [{label for path, own in labels.items() if splits[path] == split for label in own} for split in used]
    divided = {"train", "test"} <= set(used) and sum(map(len, of_split)) == len(set().union(*of_split))
    names = {split: (f"few-shot/{split}",) if divided else (split, f"1/{split}") for split in used}
    ids = folder.ids_of(sorted(labels))
    return Dataset(
        [Video(id, path, names[splits[path]]) for path, id in ids.items()],
        splits=tuple(name for own in names.values() for name in own),
        annotations=[Annotation(id, labels[path]) for path, id in ids.items()],
        classes=tuple(sorted(set().union(*of_split))),
    )


LAYOUT = Labels().layout("videos")
