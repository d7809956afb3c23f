"""Detections and ground truth as JSON in the form of ActivityNet (spec 2.2, 6.2).

Results: ``{"version", "results": {"<video>": [{"label", "score", "segment": [start, end]}]}, "external_data"}``.
Ground truth: ``{"database": {"<video>": {"subset", "annotations": [{"segment": [start, end], "label"}]}}}``.
Times are seconds, numbers or strings.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cache.errors import DataError
from cache.given import read_text
from systems.gkd.detection.instances import Instances, instances

#: The largest results that are read: 200,000 detections have 20 MB.
MOST_BYTES = 1 << 30


class Detection(NamedTuple):
    """A part of a video: its class, its score, and start and end in seconds."""

    label: str
    score: float
    start: float
    end: float


def write_results(path: Path, results: Mapping[str, Iterable[Detection]], version: str = "THUMOS14") -> None:
    """Write detections, each video's in the order in which they come. Raises DataError for a score or a time that is no number."""
    rows = {
        video: [{"label": d.label, "score": float(d.score), "segment": [float(d.start), float(d.end)]} for d in found]
        for video, found in results.items()
    }
    try:
        text = json.dumps({"version": version, "results": rows, "external_data": {}}, allow_nan=False)
    except ValueError as error:
        raise DataError(f"{path.name}: a score or a time is no number") from error
    path.write_text(text, encoding="utf-8")


def read_results(path: Path) -> Instances:
    """Read detections. Raises DataError naming file, video and entry of what is none."""
    rows, scores = [], []
    for video, entries in _videos(path, "results"):
        for number, entry in enumerate(_list(path, video, entries)):
            try:
                start, end = map(float, entry["segment"])
                scores.append(float(entry["score"]))
                rows.append((video, str(entry["label"]), start, end))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path}, {video!r}, entry {number}: expected a label, a score, and a segment of two times") from error
    return instances(rows, scores)


def read_truth(path: Path, subset: str = "test") -> Instances:
    """Read the instances of the videos of a subset. Raises DataError naming file, video and entry of what is none; if there is none."""
    rows, subsets = [], set()
    for video, about in _videos(path, "database"):
        if not isinstance(about, dict) or not isinstance(about.get("subset"), str):
            raise DataError(f"{path}, {video!r}: expected a subset and annotations")
        subsets.add(about["subset"])
        if about["subset"] != subset:
            continue
        for number, entry in enumerate(_list(path, video, about.get("annotations"))):
            try:
                start, end = map(float, entry["segment"])
                rows.append((video, str(entry["label"]), start, end))
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"{path}, {video!r}, annotation {number}: expected a label, and a segment of two times") from error
    if not rows:
        raise DataError(f"{path} has no annotation of the subset {subset!r}; its subsets: {', '.join(sorted(subsets))}")
    return instances(rows)


def _videos(path: Path, key: str) -> Iterable[tuple[str, Any]]:
    try:
        value = json.loads(read_text(path, most=MOST_BYTES))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    videos = value.get(key) if isinstance(value, dict) else None
    if not isinstance(videos, dict):
        raise DataError(f'{path}: expected {{"{key}": {{"<video>": ...}}}}')
    return videos.items()


def _list(path: Path, video: str, entries: Any) -> list[Any]:
    if not isinstance(entries, list):
        raise DataError(f"{path}, {video!r}: expected a list of what is in it")
    return entries
