"""YouTube-8M: ``{train,validate,test}*.tfrecord``, in one folder or in the customary tree, and ``vocabulary.csv``.

What is indexed are the shards, a few thousand files of a few hundred videos each. Their names are official: four digits since 2018
(``train0093``), two characters in 2017 (``trainAB``); only the beginning counts. Frame level and video level have the same names and
are told apart by a folder called ``frame`` or ``video``.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cache.errors import DataError
from stages.index.annotations import Problems
from stages.index.dataset import Dataset, Layout, Video

PARTITIONS = ("train", "validate", "test")
NAME = re.compile(r"(?P<partition>train|validate|test)[^/]*\.tfrecord")
VOCABULARY = "vocabulary.csv"
LEVELS = ("frame", "video")
HINT = "docs/DATASETS.md shows what is expected"


def sources(root: Path, level: str = "frame") -> Iterator[str]:
    """The vocabulary and every shard of ``level`` under ``root``; hidden folders are left out, links to folders not followed."""
    other = LEVELS[1 - LEVELS.index(level)]
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name[0] != "." and name != other)
        for name in sorted(files):
            if name == VOCABULARY or NAME.fullmatch(name):
                yield (Path(folder) / name).relative_to(root).as_posix()


def read(root: Path, level: str = "frame") -> Dataset:
    """List the shards by partition. Raises DataError if there is none, two share a name, or the vocabulary is bad."""
    paths = list(sources(root, level))
    shards = [path for path in paths if not path.endswith(".csv")]
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
    return Dataset(ordered, splits=splits, about={"level": level, **_classes(root, [path for path in paths if path.endswith(".csv")])})


def _partition(path: str) -> str:
    match = NAME.fullmatch(path.rpartition("/")[2])
    assert match is not None
    return match["partition"]


def _classes(root: Path, vocabularies: list[str]) -> dict[str, Any]:
    """``num_classes`` and ``classes`` (a name each), or nothing without a vocabulary."""
    if not vocabularies:
        return {}
    if len(vocabularies) > 1:
        raise DataError(f"several vocabularies: {', '.join(vocabularies)}", hint="point DATA_ROOT at one release: <root>/2, say")
    names = read_vocabulary(root, vocabularies[0])
    return {"num_classes": max(names) + 1, "classes": [names.get(n, "") for n in range(max(names) + 1)]}


def read_vocabulary(root: Path, file: str) -> dict[int, str]:
    """Label -> name, from the columns ``Index`` and ``Name``. Raises DataError that names file and line."""
    problems = Problems()
    names: dict[int, str] = {}
    with (root / file).open(encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.DictReader(text)
        missing = {"Index", "Name"} - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"{file}, line 1: no column {', '.join(sorted(missing))}", hint=HINT)
        for row in reader:
            index = (row["Index"] or "").strip()
            if not (index.isascii() and index.isdigit() and len(index) < 7):
                problems.add(file, f"line {reader.line_num}", f"column 'Index': expected a label, found {index[:40]!r}")
            elif int(index) in names:
                problems.add(file, f"line {reader.line_num}", f"label {index} stands twice")
            else:
                names[int(index)] = row["Name"] or ""
    problems.raise_if_any()
    if not names:
        raise DataError(f"{file} holds no label", hint=HINT)
    return names


LAYOUT = Layout(sources=sources, read=read)
VIDEO_LEVEL = Layout(sources=partial(sources, level="video"), read=partial(read, level="video"))
