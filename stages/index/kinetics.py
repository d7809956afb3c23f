"""Kinetics: ``{train,val,test}/<class>/<id>_<start>_<end>.mp4`` and the tables ``annotations/{train,val,test}.csv``.

A table has the columns label, youtube_id, time_start, time_end (whole seconds) and mostly split. The splits are ``train``, ``val`` and
``test``, and those by class (:mod:`stages.index.few_shot`). Classes are labels, in the order of their names; ids are the names of the
clips. Without labels, as in the first release of the test part, a table says nothing, and its clips are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from stages.index import few_shot
from stages.index.absence import is_file
from stages.index.annotations import Problems, read_table, require
from stages.index.dataset import Annotation, Dataset, Layout, Video
from stages.index.kinetics_clips import CALLED, PARTS, Clips, lying, name

COLUMNS = ("youtube_id", "time_start", "time_end")
#: Where a table may lie, and how it may be called (``{}``: as in ``CALLED``).
FOLDERS = ("annotations/", "")
NAMES = ("{}.csv", "kinetics_{}.csv", "kinetics-400_{}.csv", "kinetics_400_{}.csv")
FEW_SHOT = "kineticsTrainTestlist"
#: The largest table that is read; that of the training part has 11 MB in Kinetics-400, and about 25 MB in Kinetics-700.
MOST_BYTES = 48 << 20
ID = re.compile(r"[A-Za-z0-9_-]{11}")
SECONDS = re.compile(r"([0-9]{1,6})(\.0*)?")


def sources(root: Path) -> Iterator[str]:
    """The tables and the clips that are there."""
    tables = _tables(root)
    require(root, [tables[part] for part in ("train", "val")])
    yield from (table for table in tables.values() if is_file(root / table))
    yield from few_shot.own_files(root, FEW_SHOT)
    yield from lying(root)


def _tables(root: Path) -> dict[str, str]:
    """The table of each part: the first that is there, else where it should be."""
    found = {}
    for part in PARTS:
        names = [f"{folder}{form.format(called)}" for folder in FOLDERS for form in NAMES for called in CALLED[part]]
        found[part] = next((file for file in names if os.path.lexists(root / file)), names[0])
    return found


@dataclass
class _Found:
    """What the tables say of each clip."""

    labels: dict[str, str] = field(default_factory=dict)
    splits: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    unlabelled: int = 0


def read(root: Path) -> Dataset:
    """Read the dataset. Raises DataError on a bad table."""
    tables = _tables(root)
    require(root, [tables[part] for part in ("train", "val")])
    problems, found = Problems(), _Found()
    for part, file in tables.items():
        for place, row in read_table(root, file, COLUMNS, MOST_BYTES) if os.path.lexists(root / file) else ():
            _read_row(part, file, place, row, found, problems)
    few = few_shot.split(root, FEW_SHOT, found.labels, problems)
    problems.raise_if_any()
    clips, videos, said = Clips(root), [], []
    for clip, label in sorted(found.labels.items()):
        path = clips.path(clip, label, found.splits[clip][0])
        videos.append(Video(clip, path, (*found.splits[clip], *few.splits_of(clip))))
        said.append(Annotation(clip, (label,)))
    about = {**few.about, **({"without_label": found.unlabelled} if found.unlabelled else {})}
    classes, absent = tuple(sorted(set(found.labels.values()))), {**found.absent, **few.absent}
    return Dataset(videos, [], (*PARTS, *few.splits), about, said, classes, found.notes, absent)


def _read_row(part: str, file: str, place: str, row: dict[str, str], found: _Found, problems: Problems) -> None:
    """Note a row. A clip that stands twice is one: the first label counts, and every part."""
    times = [SECONDS.fullmatch(row[column].strip()) for column in COLUMNS[1:]]
    wrong = next((c for c, time in zip(COLUMNS[1:], times) if time is None), "")
    split = row.get("split", "").strip() or part
    if wrong:
        problems.add(file, place, f"column {wrong!r}: expected whole seconds, found {row[wrong][:40]!r}")
    elif split not in CALLED[part]:
        problems.add(file, place, f"column 'split': expected {' or '.join(CALLED[part])}, found {split[:40]!r}")
    elif "label" not in row:
        found.unlabelled += 1
    elif not (label := row["label"].strip()) or not label.isprintable():
        problems.add(file, place, f"column 'label': expected a name, found {label[:40]!a}")
    else:
        start, end = (int(time[1]) for time in times if time)
        clip = name(row["youtube_id"].strip(), start, end)
        if not ID.fullmatch(row["youtube_id"].strip()):  # "#NAME?": what a spreadsheet makes of an id that begins with "-"
            found.absent[f"{part}: {clip}"] = f"{file}, {place}: {row['youtube_id'][:40]!r} is no id of a video"
            return
        if found.labels.setdefault(clip, label) != label:
            found.notes[clip] = f"{file}, {place}, calls it {label!r}, too"
        of = found.splits.setdefault(clip, [part])
        if part not in of:
            of.append(part)
            found.notes[clip] = f"it is in the tables of {' and '.join(of)}"


LAYOUT = Layout(sources=sources, read=read, holds=("videos", "class"), data=few_shot.shipped_files(FEW_SHOT))
