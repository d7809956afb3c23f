"""Clips of Kinetics that JSON lists name, as XKD keeps them: ``["playing_flute/<id>_<start>_<end>.avi", ...]`` for each part.

An entry is a path below the part's folder. Its class is its folder, classes are numbered in the order of their names, ids are the names
of the clips. A clip that does not lie where its list says is looked for as those of the whole set are
(:mod:`stages.index.kinetics_clips`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cache.errors import DataError
from stages.index.annotations import HINT, Problems, read_json
from stages.index.dataset import Annotation, Dataset, Video
from stages.index.kinetics_clips import CALLED, ENDINGS, Clips, lying
from stages.index.walk import ending

PARTS = ("train", "val")


@dataclass
class _Found:
    """What the lists say of each clip: its class, its parts, and its path below the folder of the first."""

    labels: dict[str, str] = field(default_factory=dict)
    parts: dict[str, list[str]] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def list_of(folder: str, part: str) -> str:
    """The list of a part."""
    return f"{folder}/{part}.txt"


def read_listed(root: Path, folder: str) -> Dataset:
    """Read the lists below ``folder``; of a part without one, every clip that lies in its folder. Raises DataError on a bad list."""
    problems, found = Problems(), _Found()
    there = list(lying(root))
    for part in PARTS:
        file = list_of(folder, part)
        if os.path.lexists(root / file):
            entries = read_json(root, file)
            if not isinstance(entries, list) or not entries:
                raise DataError(f"{file}: expected an array of '<class>/<clip>.avi', found {str(entries)[:60]!r}", hint=HINT)
            for number, entry in enumerate(entries):
                _read_entry(part, file, number, entry, found, problems)
        else:
            for path in there:
                place, _, rest = path.partition("/")
                if place in CALLED[part] and "/" in rest:
                    _note(part, place, rest, found)
    problems.raise_if_any()
    if not found.labels:
        raise DataError(f"no clip of Kinetics lies in {' or '.join(PARTS)} under the data root {root}", hint=HINT)
    clips, lies = Clips(root), set(there)
    videos = [Video(clip, _path(clip, found, clips, lies), tuple(found.parts[clip])) for clip in sorted(found.labels)]
    said = [Annotation(clip, (label,)) for clip, label in sorted(found.labels.items())]
    return Dataset(videos, [], PARTS, {}, said, tuple(sorted(set(found.labels.values()))), found.notes)


def lists_there(root: Path, folder: str) -> Iterator[str]:
    """The lists that are there, be it as links into nothing."""
    yield from (file for part in PARTS if os.path.lexists(root / (file := list_of(folder, part))))


def _read_entry(part: str, file: str, number: int, entry: object, found: _Found, problems: Problems) -> None:
    """Note an entry of a list."""
    if not isinstance(entry, str):
        problems.add(file, f"entry {number}", f"expected a text, found {str(entry)[:40]!r}")
        return
    label, slash, name = entry.partition("/")
    fits = slash and label.strip(" .") and "/" not in name and ending(name) in ENDINGS and name[0] != "." and entry.isprintable()
    if not fits:
        problems.add(file, f"entry {number}", f"expected '<class>/<clip>.avi', found {entry[:60]!a}")
        return
    _note(part, file, entry, found)


def _note(part: str, where: str, entry: str, found: _Found) -> None:
    """A clip that stands twice is one: the first class counts, and every part."""
    label, _, name = entry.partition("/")
    clip = name.rpartition(".")[0]
    if found.labels.setdefault(clip, label) != label:
        found.notes[clip] = f"{where} has it in {label!r}, too"
    found.paths.setdefault(clip, f"{part}/{entry}")
    of = found.parts.setdefault(clip, [part])
    if part not in of:
        of.append(part)
        found.notes[clip] = f"it is in the lists of {' and '.join(of)}"


def _path(clip: str, found: _Found, clips: Clips, lies: set[str]) -> str:
    """Where a clip lies: where its list says, else where copies have it, else where its list says all the same."""
    listed = found.paths[clip]
    if listed in lies:
        return listed
    path = clips.path(clip, found.labels[clip], found.parts[clip][0])
    return path if path in lies else listed
