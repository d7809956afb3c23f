"""HMDB51: ``hmdb51/<class>/<clip>.avi``, and a list for each class and fold, ``testTrainMulti_7030_splits/<class>_test_split<fold>.txt``.

A line of a list is ``<clip>.avi <flag>``: 1 for training, 2 for testing, 0 for neither. The splits are ``1/train`` to ``3/test``, and those
by class (:mod:`stages.index.few_shot`), which have the clips of flag 0 as well. Classes are in the order of their names; ids are the names
of the clips.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cache.errors import DataError
from stages.index import few_shot
from stages.index.annotations import HINT, Problems, read_lines, require
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.walk import ending, files_in

#: Where the clips and the lists may lie: the first of each that is there.
FOLDERS = ("hmdb51", "hmdb51_org", "videos")
LISTS = ("testTrainMulti_7030_splits", "test_train_splits/testTrainMulti_7030_splits", "test_train_splits", "splits")
FOLDS = (1, 2, 3)
#: Flag -> part of a fold.
PARTS = {"1": "train", "2": "test"}
SPLITS = tuple(f"{fold}/{part}" for fold in FOLDS for part in PARTS.values())
FEW_SHOT = "hmdb_ARN"
#: Names become ids, so they are UTF-8.
NAME = r"(?!\.)[^\s/\\\0\udc80-\udcff]+"
LIST = re.compile(rf"(?P<name>{NAME})_test_split[0-9]\.txt")
CLIP = re.compile(rf"(?P<file>{NAME}\.avi)\s+(?P<flag>[012])")


def sources(root: Path) -> Iterator[str]:
    """The lists, and the clips in the folders of the classes."""
    place, names = _lists(root)
    yield from _files(place, names)
    yield from few_shot.own_files(root, FEW_SHOT)
    for name in names:
        yield from files_in(root, f"{_folder(root)}/{name}", lambda file: ending(file) == ".avi")


def read(root: Path) -> Dataset:
    """Read the dataset; clips that no list names are left out. Raises DataError on a bad list."""
    place, names = _lists(root)
    require(root, _files(place, names))
    problems = Problems()
    splits: dict[str, list[str]] = {}
    for name in names:
        for fold in FOLDS:
            _read_list(root, f"{place}/{name}_test_split{fold}.txt", name, fold, splits, problems)
    _refuse_shared(splits, place, problems)
    few = few_shot.split(root, FEW_SHOT, (PurePosixPath(path).stem for path in splits), problems)
    problems.raise_if_any()
    folder, videos, said = _folder(root), [], []
    for path in sorted(splits):
        id = PurePosixPath(path).stem
        videos.append(Video(id, f"{folder}/{path}", (*splits[path], *few.splits_of(id))))
        said.append(Annotation(id, (PurePosixPath(path).parts[0],)))
    return Dataset(videos, [], (*SPLITS, *few.splits), few.about, said, tuple(names), absent=few.absent)


def _folder(root: Path) -> str:
    """Where the folders of the classes are."""
    return next((folder for folder in FOLDERS if (root / folder).is_dir()), FOLDERS[0])


def _lists(root: Path) -> tuple[str, list[str]]:
    """The folder of the lists, and the classes that it has lists of. Raises DataError if there is none."""
    for place in LISTS:
        names = {match["name"] for file in files_in(root, place, lambda name: True) if (match := LIST.fullmatch(PurePosixPath(file).name))}
        if names:
            return place, sorted(names)
    raise DataError(f"{LISTS[0]}/<class>_test_split<fold>.txt is not there, under the data root {root}", hint=HINT)


def _files(place: str, names: list[str]) -> list[str]:
    return [f"{place}/{name}_test_split{fold}.txt" for name in names for fold in FOLDS]


def _read_list(root: Path, file: str, name: str, fold: int, splits: dict[str, list[str]], problems: Problems) -> None:
    """Add the clips of a list to ``splits``: path below the folder of the classes -> its splits, maybe none."""
    seen = set()
    for place, line in read_lines(root, file):
        match = CLIP.fullmatch(line)
        if match is None:
            problems.add(file, place, f"expected '<clip>.avi <0, 1 or 2>', found {line[:60]!r}")
        elif match["file"] in seen:
            problems.add(file, place, f"{match['file']} stands there twice")
        else:
            seen.add(match["file"])
            of = splits.setdefault(f"{name}/{match['file']}", [])
            if match["flag"] in PARTS:
                of.append(f"{fold}/{PARTS[match['flag']]}")


def _refuse_shared(splits: dict[str, list[str]], place: str, problems: Problems) -> None:
    """No clip is in the lists of two classes: its name would be the id of two."""
    of: dict[str, str] = {}
    for path in splits:
        name, file = PurePosixPath(path).parts
        if of.setdefault(file, name) != name:
            problems.add(f"{place}/{name}_test_split1.txt", f"clip {file}", f"it is in the lists of {of[file]} already")


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "class"), data=few_shot.shipped_files(FEW_SHOT))
