"""The tables that AFSD made of THUMOS14, and that people make of their own videos (spec 2.2).

``video,fps,sample_fps,count,sample_count`` a video; ``video,type,type_idx,start,end,startFrame,endFrame`` an instance, in seconds and in
frames of the video. ``type`` decides the class, by its place in the list of classes; what is of no certain class is called ``Ambiguous``.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError, nearest
from cache.given import read_text

AMBIGUOUS = "Ambiguous"
INFO = ("video", "fps", "sample_fps", "count", "sample_count")
ANNOTATION = ("video", "type", "start", "end")
FRAMES = ("startFrame", "endFrame")


@dataclass(frozen=True)
class VideoInfo:
    """Pictures a second and in all: of the video (``fps``, ``count``), and of what is sampled of it (``sample_fps``, ``sample_count``)."""

    fps: float
    sample_fps: float
    count: float
    sample_count: int


@dataclass
class Annotations:
    """``rows``: video -> (n, 3), start and end in frames of the video, class from 1. ``ambiguous``: video -> how many rows are left out."""

    rows: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    ambiguous: Counter[str] = field(default_factory=Counter)


def read_infos(path: Path) -> dict[str, VideoInfo]:
    """The table of videos. Raises DataError naming file and line of what cannot be used."""
    infos: dict[str, VideoInfo] = {}
    for line, row in _rows(path, INFO):
        fps, sample_fps, count, sample_count = (_number(path, line, row, column) for column in INFO[1:])
        if min(fps, sample_fps, count, sample_count) <= 0 or sample_count % 1:
            raise DataError(f"{path}, line {line}: counts and pictures a second are above 0, and sample_count is whole")
        if row["video"] in infos:
            raise DataError(f"{path}, line {line}: {row['video']!r} stands there twice")
        infos[row["video"]] = VideoInfo(fps, sample_fps, count, int(sample_count))
    return infos


def read_annotations(path: Path, classes: Sequence[str], infos: Mapping[str, VideoInfo] | None = None) -> Annotations:
    """The table of instances; the number of a class is its place in ``classes``, from 1.

    Without the columns ``startFrame`` and ``endFrame`` the frames are the seconds times the ``fps`` of ``infos``. Raises DataError naming
    file and line of what cannot be used: an unknown type, an end that is not after its start, a video whose pictures a second are needed
    and not known.
    """
    found, numbers = Annotations(), {name: number for number, name in enumerate(classes, 1)}
    collected: dict[str, list[tuple[float, float, float]]] = {}
    for line, row in _rows(path, ANNOTATION):
        video, name = row["video"], row["type"]
        if name == AMBIGUOUS:
            found.ambiguous[video] += 1
            continue
        if name not in numbers:
            raise DataError(f"{path}, line {line}: unknown type {name!r}", hint=nearest(name, numbers))
        if all(row.get(column) for column in FRAMES):
            start, end = (_number(path, line, row, column) for column in FRAMES)
        else:
            info = (infos or {}).get(video)
            if info is None:
                raise DataError(
                    f"{path}, line {line}: no {' and '.join(FRAMES)}, and the table of videos does not say the fps of {video!r}"
                )
            start, end = (_number(path, line, row, column) * info.fps for column in ("start", "end"))
        if not 0 <= start < end:
            raise DataError(f"{path}, line {line}: an instance of {video!r} from frame {start:g} to {end:g}")
        collected.setdefault(video, []).append((start, end, numbers[name]))
    found.rows = {video: np.array(rows, np.float64) for video, rows in collected.items()}
    return found


def listed(
    rows: Iterable[Mapping[str, Any]], classes: Sequence[str], infos: Mapping[str, VideoInfo], ambiguous: Iterable[Sequence[Any]] = ()
) -> Annotations:
    """The same of an index: ``rows`` of its annotations (``video_id``, ``classes``, ``segment`` in seconds), those of ``infos``.

    ambiguous: what ``dataset.json`` lists as such: a video, and maybe more. Frames are not rounded, as those of the tables are. Raises
    DataError for an annotation without a segment, and for a class that is not among ``classes``.
    """
    numbers = {name: number for number, name in enumerate(classes, 1)}
    collected: dict[str, list[tuple[float, float, float]]] = {}
    for row in rows:
        video, segment = row["video_id"], row["segment"]
        unknown = [name for name in row["classes"] if name not in numbers]
        if segment is None or unknown:
            what = f"the class {unknown[0]!r} is unknown" if unknown else "an annotation of no part of it"
            raise DataError(f"{video}: {what}", hint=nearest(unknown[0], numbers) if unknown else "detection needs the times of actions")
        if video in infos:
            start, end = (time * infos[video].fps for time in segment)
            collected.setdefault(video, []).extend((start, end, numbers[name]) for name in row["classes"])
    left_out = Counter(str(video) for video, *_ in ambiguous if video in infos)
    return Annotations({video: np.array(rows, np.float64) for video, rows in collected.items()}, left_out)


def _rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of a CSV file with a header that has ``columns``; at least one row."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True, restval="")
    try:
        there = reader.fieldnames or ()
        if missing := [name for name in columns if name not in there]:
            raise DataError(f"{path}, line 1: no column {', '.join(missing)}", hint=nearest(missing[0], there))
        row = None
        for row in reader:
            if not row["video"]:
                raise DataError(f"{path}, line {reader.line_num}: no name of a video")
            yield reader.line_num, row
        if row is None:
            raise DataError(f"{path} holds no row but its header")
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.reader.line_num}: {error}") from error


def _number(path: Path, line: int, row: Mapping[str, str], column: str) -> float:
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{path}, line {line}: {column} is no number: {row[column][:20]!r}")
    return number
