"""Few-shot splits: lists of clips whose classes are in one of the parts train, val and test alone.

A list has ``<class>/<clip>`` a line. Clips are found by their names: blanks count as underscores, capitals as small letters, and
an ending does not count (so Lite-MKD and TRX read them). The splits are called ``few-shot/train``, ``few-shot/val``, ``few-shot/test``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.index.absence import is_file
from stages.index.annotations import Problems, read_lines, require

#: Where they are shipped, a folder for each set.
SHIPPED = Path(__file__).parent / "few_shot_lists"
PARTS = ("train", "val", "test")
SPLITS = tuple(f"few-shot/{part}" for part in PARTS)
#: Endings that a name in a list may have although it should not.
ENDINGS = (".avi", ".mp4", ".mkv", ".webm", ".mov")


@dataclass(frozen=True)
class Listed:
    """A line of a list: its split, its class and clip as they stand there, and where that is."""

    split: str
    label: str
    clip: str
    file: str
    place: str


@dataclass(frozen=True)
class Lists:
    """The lists of a set: those in the data root come first (``own``), else the shipped ones are taken."""

    folder: str
    own: bool
    lines: tuple[Listed, ...]

    def about(self, there: Iterable[Listed]) -> dict[str, Any]:
        """What ``dataset.json`` says of them. ``there``: the lines whose clips the dataset has."""
        counted = Counter(line.split for line in there)
        where = f"splits/{self.folder}" if self.own else f"shipped: {self.folder}"
        return {"lists": where, "clips": {split: counted[split] for split in SPLITS}, "not_there": len(self.lines) - counted.total()}


def files_of(folder: str) -> tuple[str, ...]:
    """The lists of a set under the data root, by part."""
    return tuple(f"splits/{folder}/{part}list03.txt" for part in PARTS)


def shipped_files(folder: str) -> tuple[Path, ...]:
    """The shipped lists of a set, by part."""
    return tuple(SHIPPED / folder / f"{part}list03.txt" for part in PARTS)


def own_files(root: Path, folder: str) -> Iterator[str]:
    """Those of them that are there."""
    yield from (file for file in files_of(folder) if is_file(root / file))


def key(clip: str) -> str:
    """What tells clips apart, of a name or a path: see above."""
    return _bare(clip.strip().replace(" ", "_").lower().rpartition("/")[2])


def _bare(name: str) -> str:
    """A name without the ending of a video."""
    return name.rpartition(".")[0] if name.lower().endswith(ENDINGS) else name


def read_lists(root: Path, folder: str, problems: Problems) -> Lists:
    """Read the lists of a set. Of those in the data root ``val`` may be absent or empty; nobody tests on it.

    Adds to ``problems`` what is no ``<class>/<clip>``, a clip that stands twice, and a class that is in two parts.
    """
    own = any(os.path.lexists(root / file) for file in files_of(folder))
    base, files = (root, files_of(folder)) if own else (SHIPPED, tuple(f"{folder}/{part}list03.txt" for part in PARTS))
    require(base, [file for file, part in zip(files, PARTS) if part != "val"])
    lines: list[Listed] = []
    clips: dict[str, Listed] = {}
    classes: dict[str, str] = {}
    for file, split in zip(files, SPLITS):
        for place, text in () if split == SPLITS[1] and _is_spared(base / file) else read_lines(base, file):
            label, _, clip = text.partition("/")
            line = Listed(split, label, _bare(clip), file, place)
            wrong = _wrong(text, line, clips, classes)
            if wrong:
                problems.add(file, place, wrong)
            else:
                lines.append(clips.setdefault(key(line.clip), line))
                classes[key(line.label)] = split
    return Lists(folder, own, tuple(lines))


def _is_spared(path: Path) -> bool:
    """Whether a list is not there, or empty."""
    return not os.path.lexists(path) or (path.is_file() and not path.stat().st_size)


def _wrong(text: str, line: Listed, clips: dict[str, Listed], classes: dict[str, str]) -> str:
    """What is wrong with a line, or ""."""
    if "/" in line.clip or {line.label, line.clip} & {"", ".", ".."}:
        return f"expected '<class>/<clip>', found {text[:60]!r}"
    if not text.isprintable():  # nor are bytes that are not UTF-8
        return f"a name that is no text: {text[:60]!a}"
    if (before := clips.get(key(line.clip))) is not None:
        return f"{line.clip} is in {before.split} already ({before.file}, {before.place})"
    if classes.get(key(line.label), line.split) != line.split:
        return f"the class {line.label!r} is in {classes[key(line.label)]} already, and few-shot splits share no class"
    return ""


@dataclass(frozen=True)
class Split:
    """What the lists make of a dataset: clip -> its few-shot split, the splits that there are, and what is to be said.

    absent: what the data root's own lists name and the dataset does not have -> why that is lost.
    """

    of: dict[str, str]
    splits: tuple[str, ...]
    about: dict[str, Any]
    absent: dict[str, str]

    def splits_of(self, id: str) -> tuple[str, ...]:
        """The one few-shot split of a clip, or none."""
        return (self.of[id],) if id in self.of else ()


def split(root: Path, folder: str, ids: Iterable[str], problems: Problems) -> Split:
    """Find the few-shot split of every clip of a dataset. Where no shipped list names any, it has no such splits."""
    lists = read_lists(root, folder, problems)
    exact = {id: id for id in ids}
    known = {key(id): id for id in exact} | exact  # a name as it stands comes first: capitals tell ids of YouTube apart
    meant = {line: known.get(line.clip) or known.get(key(line.clip)) for line in lists.lines}
    found = {id: line.split for line, id in meant.items() if id is not None}
    if not found and not lists.own:
        return Split({}, (), {}, {})
    there = [line for line, id in meant.items() if id is not None]
    lost = [line for line, id in meant.items() if id is None] if lists.own else []
    absent = {f"{line.split}: {line.label}/{line.clip}": f"{line.file}, {line.place}: the dataset has no such clip" for line in lost}
    return Split(found, SPLITS, {"few_shot": lists.about(there)}, absent)
