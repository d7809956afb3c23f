"""The tables that AFSD (CVPR 2021) made of THUMOS14's lists: what they say, and where they differ from the lists.

``{val,test}_video_info.csv`` counts pictures, ``{val,test}_Annotation_ours.csv`` has the instances, ``thumos_gt.json`` what is scored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from cache.errors import DataError
from stages.index.annotations import HINT, Problems, read_json, read_table
from stages.index.dataset import Annotation

SPLITS = ("val", "test")
TRUTH = "thumos_gt.json"
#: Split -> its subset in ``thumos_gt.json``.
SUBSETS = {"train": "val", "test": "test"}
#: Seconds by which an instance may end after its video, since times are rounded.
SLACK = 0.1
#: The name of a video: UTF-8, since it becomes an id and a part of a path.
ID = re.compile(r"(?!\.)[^\s/\\\0\ud800-\udfff]+")
#: An instance: video, class, start and end in tenths of a second.
Key = tuple[str, str, int, int]


@dataclass
class Tables:
    """Contents by file.

    infos: split -> video -> (pictures a second, sampled ones, pictures, sampled ones in all). rows: split -> instances. scored: video ->
    its split and instances, or None without the file.
    """

    NAMES: ClassVar[tuple[str, ...]] = (*(f"{split}_{what}.csv" for split in SPLITS for what in ("video_info", "Annotation_ours")), TRUTH)

    infos: dict[str, dict[str, tuple[float, float, float, int]]] = field(default_factory=dict)
    rows: dict[str, set[Key]] = field(default_factory=dict)
    scored: dict[str, tuple[str, set[Key]]] | None = None

    def videos(self) -> Iterator[tuple[str, str]]:
        """The videos that they name, each with its split."""
        yield from ((video, split) for split, infos in self.infos.items() for video in infos)
        yield from ((video, split) for video, (split, _) in (self.scored or {}).items())

    def notes(self, instances: list[Annotation], splits: Mapping[str, str], ambiguous: set[str]) -> dict[str, str]:
        """What people have to know of a video: it has no instance, a table lacks it, or an instance ends after it."""
        last: dict[str, float] = {}
        for one in instances:
            last[one.video_id] = max(last.get(one.video_id, 0.0), one.segment[1] if one.segment else 0.0)
        notes = {}
        for video, split in splits.items():
            found = []
            if video not in last:
                found.append("it has ambiguous parts only, no instance" if video in ambiguous else "it has no instance in the lists")
            if split in self.infos and video not in self.infos[split]:
                found.append(f"{split}_video_info.csv lacks it")
            if self.scored is not None and video not in self.scored:
                found.append(f"{TRUTH} lacks it, so what is found in it is not scored")
            info = self.infos.get(split, {}).get(video)
            if info and last.get(video, 0.0) > info[2] / info[0] + SLACK:
                found.append(f"an instance ends at {last[video]:g} s, and the video has {info[2] / info[0]:.1f} s")
            if found:
                notes[video] = "; ".join(found)
        return notes

    def about(self, instances: list[Annotation], splits: Mapping[str, str]) -> dict[str, Any]:
        """What ``dataset.json`` says of them: counts of pictures, videos that are not scored, and how they differ from the lists."""
        about: dict[str, Any] = {}
        if self.infos:
            about["video_info"] = {video: list(info) for infos in self.infos.values() for video, info in sorted(infos.items())}
        if self.scored is not None:
            about["not_scored"] = sorted(video for video, split in splits.items() if split == "test" and video not in self.scored)
        listed = {split: {_key(one) for one in instances if splits[one.video_id] == split} for split in SPLITS}
        told = {f"{split}_Annotation_ours.csv": (rows, listed[split]) for split, rows in self.rows.items()}
        if self.scored is not None:
            told[TRUTH] = set().union(*(rows for _, rows in self.scored.values())), set().union(*listed.values())
        if told:
            about["tables"] = {
                name: {"instances": len(a), "not_in_lists": len(a - b), "lacks": len(b - a)} for name, (a, b) in told.items()
            }
        return about


def _key(one: Annotation) -> Key:
    start, end = one.segment or (0.0, 0.0)
    return one.video_id, one.classes[0], round(10 * start), round(10 * end)


def read_tables(root: Path, files: Mapping[str, str], problems: Problems) -> Tables:
    """Read those of the tables that are there. Raises DataError for a file that cannot be read."""
    tables = Tables()
    for split in SPLITS:
        if file := files.get(f"{split}_video_info.csv"):
            tables.infos[split] = _infos(root, file, problems)
        if file := files.get(f"{split}_Annotation_ours.csv"):
            tables.rows[split] = _rows(root, file, problems)
    if file := files.get(TRUTH):
        tables.scored = _scored(root, file, problems)
    return tables


def _infos(root: Path, file: str, problems: Problems) -> dict[str, tuple[float, float, float, int]]:
    columns = ("fps", "sample_fps", "count", "sample_count")
    infos = {}
    for place, row in read_table(root, file, ("video", *columns)):
        numbers = _numbers(row[column] for column in columns)
        if numbers is None or not min(numbers) > 0:
            problems.add(file, place, f"expected four numbers above 0, found {', '.join(row[column][:20] for column in columns)}")
        elif not ID.fullmatch(row["video"]):
            problems.add(file, place, f"expected the name of a video, found {row['video'][:60]!a}")
        elif row["video"] in infos:
            problems.add(file, place, f"{row['video'][:60]} stands there twice")
        else:
            infos[row["video"]] = (numbers[0], numbers[1], numbers[2], int(numbers[3]))
    return infos


def _rows(root: Path, file: str, problems: Problems) -> set[Key]:
    rows = set()
    for place, row in read_table(root, file, ("video", "type", "start", "end")):
        times = _numbers((row["start"], row["end"]))
        if times is None:
            problems.add(file, place, f"expected a start and an end, found {row['start'][:20]!r} and {row['end'][:20]!r}")
        else:
            rows.add((row["video"], row["type"], round(10 * times[0]), round(10 * times[1])))
    return rows


def _numbers(texts: Iterable[str]) -> list[float] | None:
    """The numbers that texts stand for; None if one stands for none."""
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    return numbers if all(abs(number) < float("inf") for number in numbers) else None


def _scored(root: Path, file: str, problems: Problems) -> dict[str, tuple[str, set[Key]]]:
    value = read_json(root, file)
    database = value.get("database") if isinstance(value, dict) else None
    if not isinstance(database, dict):
        raise DataError(f'{file}: expected {{"database": {{"<video>": ...}}}}', hint=HINT)
    found = {}
    for video, entry in database.items():
        if not ID.fullmatch(video):
            problems.add(file, f"video {video[:60]!a}", "expected the name of a video")
            continue
        try:
            rows = [(str(one["label"]), *(float(time) for time in one["segment"])) for one in entry["annotations"]]
            found[video] = SUBSETS[entry["subset"]], {(video, label, round(10 * start), round(10 * end)) for label, start, end in rows}
        except (ValueError, KeyError, TypeError, OverflowError):
            problems.add(file, f"video {video[:60]!r}", "expected a subset (train, test), and annotations with a label and a segment each")
    return found
