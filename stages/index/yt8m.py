"""YouTube-8M: ``{train,validate,test}*.tfrecord``, in one folder or in the customary tree, and ``vocabulary.csv``.

Beside them may lie ``eigenvals.npy`` of the published whitening, which a system needs to reverse it.

What is indexed are the shards, a few thousand files of a few hundred videos each. Their names are official: four digits since 2018
(``train0093``), two characters in 2017 (``trainAB``); only the beginning counts. Frame level and video level have the same names and
are told apart by a folder called ``frame`` or ``video``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cache.errors import DataError
from cache.npy import open_npy
from cache.stage import Absent
from stages.index.annotations import HINT, Problems, read_table
from stages.index.dataset import Dataset, Layout, Video, path_of
from stages.index.walk import walk

PARTITIONS = ("train", "validate", "test")
NAME = re.compile(r"(?P<partition>train|validate|test)[^/]*\.tfrecord")
VOCABULARY = "vocabulary.csv"
EIGENVALUES = "eigenvals.npy"
COLUMNS = ("Index", "Name")
BESIDE = (VOCABULARY, EIGENVALUES)
LEVELS = ("frame", "video")


def sources(root: Path, level: str = "frame") -> Iterator[str | Absent]:
    """The vocabulary, the eigenvalues and every shard of ``level`` under ``root``, and what lies in the place of one."""
    other = LEVELS[1 - LEVELS.index(level)]
    return walk(root, lambda name: name in BESIDE or NAME.fullmatch(name) is not None, frozenset({other}))


def read(root: Path, level: str = "frame") -> Dataset:
    """List the shards by partition. Raises DataError if there is none, two share a name, or the vocabulary is bad."""
    found = list(sources(root, level))
    for one in found:
        if isinstance(one, Absent) and not one.path.endswith(".tfrecord"):  # a table, or a folder of shards behind a link
            raise DataError(one.why, hint=HINT)
    paths = list(map(path_of, found))
    shards = [path for path in paths if path.endswith(".tfrecord")]
    if not shards:
        what = f"no {level}-level shard (train*.tfrecord, validate*.tfrecord, test*.tfrecord) under {root}"
        raise DataError(what, hint=f"layouts: yt8m for frame level, yt8m-video for video level; {HINT}")
    videos: dict[str, Video] = {}
    for path in shards:
        id = Path(path).stem
        if id in videos:
            raise DataError(f"{path} and {videos[id].path} have the same name", hint="point DATA_ROOT at one release: <root>/2, say")
        videos[id] = Video(id, path, (_partition(path),))
    ordered = sorted(videos.values(), key=lambda video: (PARTITIONS.index(video.splits[0]), video.id))
    splits = tuple(name for name in PARTITIONS if any(name in video.splits for video in ordered))
    about: dict[str, Any] = {"level": level}
    if eigenvalues := _only(paths, EIGENVALUES):
        about["eigenvalues"] = read_eigenvalues(root, eigenvalues)
    vocabulary = _only(paths, VOCABULARY)
    return Dataset(ordered, splits=splits, about=about, classes=_classes(read_vocabulary(root, vocabulary)) if vocabulary else ())


def _partition(path: str) -> str:
    match = NAME.fullmatch(path.rpartition("/")[2])
    assert match is not None
    return match["partition"]


def _classes(names: dict[int, str]) -> tuple[str, ...]:
    """Every label's name, "" for one that the vocabulary leaves out."""
    return tuple(names.get(label, "") for label in range(max(names) + 1))


def _only(paths: list[str], name: str) -> str:
    found = [path for path in paths if path.rpartition("/")[2] == name]
    if len(found) > 1:
        raise DataError(f"several files {name}: {', '.join(found)}", hint="point DATA_ROOT at one release: <root>/2, say")
    return found[0] if found else ""


def read_eigenvalues(root: Path, file: str) -> list[float]:
    """The eigenvalues of the whitening, descending. Raises DataError if the file holds anything else."""
    import numpy as np

    values = open_npy(root / file, file, hint="expected the float array of the public archive yt8m_pca").astype(np.float32).ravel()
    if not len(values) or not np.isfinite(values).all() or (values < 0).any() or (np.diff(values) > 0).any():
        raise DataError(f"{file}: eigenvalues are finite, not negative, and descend", hint="expected the array of the archive yt8m_pca")
    return [float(value) for value in values]


def read_vocabulary(root: Path, file: str) -> dict[int, str]:
    """Label -> name, from the columns ``Index`` and ``Name``. Raises DataError that names file and line."""
    problems = Problems()
    names: dict[int, str] = {}
    for place, row in read_table(root, file, COLUMNS):
        index = row["Index"].strip()
        if not (index.isascii() and index.isdigit() and len(index) < 7):
            problems.add(file, place, f"column 'Index': expected a label, found {index[:40]!r}")
        elif int(index) in names:
            problems.add(file, place, f"label {index} stands twice")
        else:
            names[int(index)] = row["Name"]
    problems.raise_if_any()
    return names


EXAMINE = "formats.examine:examine"
LAYOUT = Layout(sources=sources, read=read, holds=("records",), examine=EXAMINE)
