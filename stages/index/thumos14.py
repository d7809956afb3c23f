"""THUMOS14's temporal detection: ``validation/*.mp4``, ``test/*.mp4``, a list of instances for each class, and AFSD's tables, if any.

``detclasslist.txt`` (or ``Class Index_Detection.txt``) has ``<number> <Class>`` a line, and ``<Class>_val.txt`` and ``<Class>_test.txt``
have ``<video> <start> <end>`` in seconds. The splits are ``val``, on which networks are trained, and ``test``. What ``Ambiguous_val.txt``
and ``Ambiguous_test.txt`` name is neither action nor background; it is kept in ``dataset.json``, and is no annotation. Classes are in the
order of the list, so the published class n is number n - 1; an instance of two classes (CliffDiving and Diving) is two annotations.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stages.index.annotations import Problems, read_lines, require
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.thumos14_tables import Tables, read_tables
from stages.index.walk import ending, files_in, folders_in

#: Split -> where its videos may lie: the first folder that is there.
FOLDERS = {"val": ("validation", "val", "TH14_validation_set_mp4"), "test": ("test", "TH14_test_set_mp4")}
CLASSES = ("detclasslist.txt", "Class Index_Detection.txt")
AMBIGUOUS = "Ambiguous"
AMBIGUOUS_LISTS = tuple(f"{AMBIGUOUS}_{split}.txt" for split in FOLDERS)
#: Words in the names of folders with annotations, and how deep such folders lie in one another.
WORDS, DEPTH = ("annotation", "evalkit"), 4
NAME = r"(?!\.)[^\s/\\\0\udc80-\udcff]+"
CLASS = re.compile(rf"(?P<number>[0-9]{{1,6}})\s+(?P<name>{NAME})")
INSTANCE = re.compile(rf"(?P<video>{NAME})\s+(?P<start>[0-9]+(\.[0-9]*)?)\s+(?P<end>[0-9]+(\.[0-9]*)?)")


def sources(root: Path) -> Iterator[str]:
    """The lists and tables, and the videos that are there."""
    places = Places(root)
    yield from dict.fromkeys([places.classes, *places.lists.values(), *places.tables.values()])
    for split in FOLDERS:
        yield from files_in(root, folder(root, split), lambda name: ending(name) == ".mp4")


def folder(root: Path, split: str) -> str:
    """Where the videos of a split lie."""
    return next((name for name in FOLDERS[split] if (root / name).is_dir()), FOLDERS[split][0])


class Places:
    """The files of annotations under a data root: ``classes``, ``lists`` by their names, AFSD's ``tables`` by their names.

    They may lie in the data root, or in folders with "annotation" in their names, one in another. Raises DataError if the list of classes,
    or the list of one of them, is not there.
    """

    def __init__(self, root: Path) -> None:
        found: dict[str, str] = {}
        for place in ("", *_folders(root, "", DEPTH)):
            for path in files_in(root, place or ".", lambda name: ending(name) in (".txt", ".csv", ".json")):
                found.setdefault(path.rpartition("/")[2], path.removeprefix("./"))
            for name in (*AMBIGUOUS_LISTS, *Tables.NAMES):  # whatever lies in the place of one is refused when it is read
                if os.path.lexists(root / place / name):
                    found.setdefault(name, f"{place}/{name}" if place else name)
        self.classes = next((found[name] for name in CLASSES if name in found), "")
        if not self.classes:
            require(root, [CLASSES[0]])
        self.names = _names(root, self.classes)
        wanted = [f"{name}_{split}.txt" for name in self.names for split in FOLDERS]
        missing = [name for name in wanted if name not in found]
        if missing:
            beside = next((path.rpartition("/")[0] for name, path in found.items() if name in wanted), "")
            require(root, [f"{beside}/{missing[0]}" if beside else missing[0]])
        self.lists = {name: found[name] for name in (*wanted, *AMBIGUOUS_LISTS) if name in found}
        self.tables = {name: path for name, path in found.items() if name in Tables.NAMES}


def _folders(root: Path, inside: str, depth: int) -> Iterator[str]:
    for name in folders_in(root, inside or "."):
        if any(word in name.lower() for word in WORDS):
            place = f"{inside}/{name}" if inside else name
            yield place
            if depth > 1:
                yield from _folders(root, place, depth - 1)


def _names(root: Path, file: str) -> dict[str, int]:
    """Class -> its number, in the order of the list. Raises DataError on a bad line."""
    problems = Problems()
    names: dict[str, int] = {}
    for place, line in read_lines(root, file):
        match = CLASS.fullmatch(line)
        if match is None:
            problems.add(file, place, f"expected '<number> <Class>', found {line[:60]!r}")
        elif match["name"] in names or int(match["number"]) in names.values() or match["name"] == AMBIGUOUS:
            problems.add(file, place, f"expected a new class with a number of its own, found {line[:60]!r}")
        else:
            names[match["name"]] = int(match["number"])
    problems.raise_if_any()
    return names


@dataclass
class _Said:
    """What the lists say: instances and ambiguous parts in their order, and the split of each video."""

    instances: list[Annotation] = field(default_factory=list)
    ambiguous: list[Annotation] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)


def read(root: Path) -> Dataset:
    """Read the dataset; videos that no list and no table names are left out. Raises DataError on a bad list or table."""
    places, problems, said = Places(root), Problems(), _Said()
    for name in (*places.names, AMBIGUOUS):
        for split in FOLDERS:
            file = places.lists.get(f"{name}_{split}.txt")
            if file and not _is_empty(root / file):  # some class has no instance in a small set
                _read_list(root, file, name, split, said, problems)
    tables = read_tables(root, places.tables, problems)
    for video, split in tables.videos():
        said.splits.setdefault(video, split)
    problems.raise_if_any()
    notes = tables.notes(said.instances, said.splits, {one.video_id for one in said.ambiguous})
    videos = [Video(id, f"{folder(root, split)}/{id}.mp4", (split,)) for id, split in sorted(said.splits.items())]
    about = {
        "numbers": list(places.names.values()),
        "ambiguous": [[one.video_id, *(one.segment or ())] for one in said.ambiguous],
        **tables.about(said.instances, said.splits),
    }
    return Dataset(videos, [], tuple(FOLDERS), about, said.instances, tuple(places.names), notes)


def _is_empty(path: Path) -> bool:
    return path.is_file() and not path.stat().st_size


def _read_list(root: Path, file: str, name: str, split: str, said: _Said, problems: Problems) -> None:
    for place, line in read_lines(root, file):
        match = INSTANCE.fullmatch(line)
        if match is None:
            problems.add(file, place, f"expected '<video> <start> <end>', found {line[:60]!r}")
        elif float(match["start"]) >= float(match["end"]):
            problems.add(file, place, f"it ends at {match['end']} s, which is not after {match['start']} s")
        elif said.splits.setdefault(match["video"], split) != split:
            problems.add(file, place, f"{match['video']} is in {said.splits[match['video']]} already")
        else:
            where = (float(match["start"]), float(match["end"]))
            (said.ambiguous if name == AMBIGUOUS else said.instances).append(Annotation(match["video"], (name,), where))


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "segments"))
