"""UCF101: ``UCF-101/<Class>/<clip>.avi``, and ``ucfTrainTestlist`` with the classes and three folds.

``classInd.txt`` has ``<number from 1> <Class>`` a line, ``trainlist0<fold>.txt`` ``<Class>/<clip>.avi <number>``,
``testlist0<fold>.txt`` the same without a number. The splits are ``1/train`` to ``3/test``, and those by class
(:mod:`stages.index.few_shot`); ids are the names of the clips.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from stages.index import few_shot
from stages.index.annotations import Problems, read_lines, require
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.walk import ending, files_in

FOLDER, FEW_SHOT = "UCF-101", "ucf_ARN"
CLASSES = "ucfTrainTestlist/classInd.txt"
#: List -> its split.
LISTS = {f"ucfTrainTestlist/{part}list0{fold}.txt": f"{fold}/{part}" for fold in (1, 2, 3) for part in ("train", "test")}
#: Names of folders and files; UTF-8, since they become ids.
NAME = r"(?!\.)[^\s/\\\0\udc80-\udcff]+"
CLASS = re.compile(rf"(?P<number>[0-9]{{1,6}})\s+(?P<name>{NAME})")
CLIP = re.compile(rf"(?P<path>(?P<name>{NAME})/{NAME}\.avi)(\s+(?P<number>[0-9]{{1,6}}))?")


def sources(root: Path) -> Iterator[str]:
    """The lists, and the clips in the folders of the classes."""
    require(root, [CLASSES, *LISTS])
    yield from (CLASSES, *LISTS, *few_shot.own_files(root, FEW_SHOT))
    for _, line in read_lines(root, CLASSES):
        if match := CLASS.fullmatch(line):
            yield from files_in(root, f"{FOLDER}/{match['name']}", lambda name: ending(name) == ".avi")


def read(root: Path) -> Dataset:
    """Read the dataset; clips that no list names are left out. Raises DataError on a bad list."""
    require(root, [CLASSES, *LISTS])
    problems = Problems()
    numbers = _classes(root, problems)
    splits: dict[str, list[str]] = {}
    for file, split in LISTS.items():
        for place, path in _clips(root, file, numbers, problems):
            fold = split.partition("/")[0]
            other = next((known for known in splits.get(path, ()) if known.startswith(f"{fold}/")), "")
            if other:
                problems.add(file, place, f"{path} is in {other} already")
            splits.setdefault(path, []).append(split)
    few = few_shot.split(root, FEW_SHOT, (PurePosixPath(path).stem for path in splits), problems)
    problems.raise_if_any()
    videos = [_video(path, splits[path], few) for path in sorted(splits)]
    said = [Annotation(video.id, (PurePosixPath(video.path).parts[1],)) for video in videos]
    classes = tuple(sorted(numbers, key=numbers.__getitem__))
    return Dataset(videos, [], (*LISTS.values(), *few.splits), few.about, said, classes, absent=few.absent)


def _video(path: str, splits: list[str], few: few_shot.Split) -> Video:
    id = PurePosixPath(path).stem
    return Video(id, f"{FOLDER}/{path}", (*splits, *few.splits_of(id)))


def _classes(root: Path, problems: Problems) -> dict[str, int]:
    """Class -> its number."""
    numbers: dict[str, int] = {}
    for place, line in read_lines(root, CLASSES):
        match = CLASS.fullmatch(line)
        if match is None:
            problems.add(CLASSES, place, f"expected '<number> <Class>', found {line[:60]!r}")
        elif match["name"] in numbers or int(match["number"]) != len(numbers) + 1:
            problems.add(CLASSES, place, f"expected a new class of number {len(numbers) + 1}, found {line[:60]!r}")
        else:
            numbers[match["name"]] = int(match["number"])
    return numbers


def _clips(root: Path, file: str, numbers: dict[str, int], problems: Problems) -> Iterator[tuple[str, str]]:
    """The place and the path of every clip of a list."""
    for place, line in read_lines(root, file):
        match = CLIP.fullmatch(line)
        if match is None:
            problems.add(file, place, f"expected '<Class>/<clip>.avi', found {line[:60]!r}")
        elif match["name"] not in numbers:
            problems.add(file, place, f"{match['name']!r} is not in {CLASSES}")
        elif match["number"] and int(match["number"]) != numbers[match["name"]]:
            problems.add(file, place, f"{match['name']} has the number {numbers[match['name']]} in {CLASSES}, not {match['number']}")
        else:
            yield place, match["path"]


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "class"), data=few_shot.shipped_files(FEW_SHOT))
