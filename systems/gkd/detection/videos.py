"""The videos of a split, as the index lists them, and what is known of them: their instances, and which of them are scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.errors import DataError
from cache.json_files import read_json, read_lines
from cache.ledger import Ledger
from systems.gkd.detection.array_files import ArrayFiles
from systems.gkd.detection.arrays import SLACK
from systems.gkd.detection.instances import Instances, instances
from systems.gkd.detection.splits import videos_of
from systems.gkd.detection.tables import Annotations, VideoInfo, listed


@dataclass(frozen=True)
class Split:
    """The videos of a split in the order of the index, and ``rows``, what is annotated of them; ``dataset``: ``dataset.json``."""

    name: str
    videos: list[str]
    classes: tuple[str, ...]
    rows: list[dict[str, Any]]
    dataset: Mapping[str, Any]

    @property
    def ambiguous(self) -> dict[str, int]:
        """Video -> how many of its rows are of no certain class; these are no annotations."""
        counts = dict.fromkeys(self.videos, 0)
        for video, *_ in self.dataset.get("ambiguous", ()):
            if video in counts:
                counts[video] += 1
        return {video: count for video, count in counts.items() if count}

    @property
    def not_scored(self) -> list[str]:
        """Videos that the ground truth lacks: those that the dataset says so of, and those without an instance (quirk D14)."""
        annotated, lacking = {row["video_id"] for row in self.rows}, set(self.dataset.get("not_scored", ()))
        return [video for video in self.videos if video in lacking or video not in annotated]

    def infos(self, lengths: Mapping[str, int], fps: float) -> dict[str, VideoInfo]:
        """Counts of the videos that have arrays: the dataset's, or those of the arrays, which have ``fps`` frames a second.

        A dataset that counts at another rate is converted. Raises DataError if the two differ by more than some frames.
        """
        told = self.dataset.get("video_info", {})
        found = {}
        for video in self.videos:
            if video not in lengths:
                continue
            info = VideoInfo(*told[video]) if video in told else VideoInfo(fps, fps, lengths[video], lengths[video])
            found[video] = dataclasses.replace(info, sample_fps=fps, sample_count=round(info.sample_count * fps / info.sample_fps))
            if abs(found[video].sample_count - lengths[video]) > SLACK:
                what = f"{video}: its array has {lengths[video]:,} frames, and the table of videos says {found[video].sample_count:,}"
                raise DataError(what, hint=f"at most {SLACK} are taken as a matter of counting")
        return found

    def annotations(self, infos: Mapping[str, VideoInfo]) -> Annotations:
        """The instances of these videos in their frames."""
        return listed(self.rows, self.classes, infos, self.dataset.get("ambiguous", ()))

    def truth(self, videos: Collection[str]) -> Instances:
        """What is scored of these videos, in seconds."""
        left_out = set(self.not_scored)
        rows = [row for row in self.rows if row["video_id"] in videos and row["video_id"] not in left_out]
        return instances([(row["video_id"], name, *map(float, row["segment"])) for row in rows for name in row["classes"]])


def read_split(index: Path, name: str) -> Split:
    """The videos of a split. Raises ConfigError if there is no such split, DataError if nothing in it has a class and times."""
    videos = videos_of(index, name)
    wanted = set(videos)
    rows = [row for row in read_lines(index / "annotations.jsonl") if row["video_id"] in wanted]
    dataset = read_json(index / "dataset.json")
    classes = tuple(dataset.get("classes") or sorted({one for row in rows for one in row["classes"]}))
    if not rows or not classes:
        raise DataError(f"nothing is annotated in the videos of {name}", hint="detection needs classes and times (docs/DATASETS.md)")
    return Split(name, videos, classes, rows, dataset)


def present(split: Split, arrays: Collection[ArrayFiles], ledger: Ledger, notes: Mapping[str, str]) -> list[str]:
    """The videos that have every array; the ledger says of each whether it has, and what is odd. Raises DataError if none has."""
    kept = [video for video in split.videos if all(video in one.paths for one in arrays)]
    if not kept:
        raise DataError(f"none of the {len(split.videos)} videos of {split.name} has an array", hint="kdpipe show arrays --ledger")
    for video in split.videos:
        said = [notes[video]] if video in notes else []
        if count := split.ambiguous.get(video):
            said.append(f"{count} ambiguous parts of it are left out")
        if not all(video in one.paths for one in arrays):
            ledger.add(video, "lost_before", "an earlier stage lost it")
        else:
            ledger.add(video, "noted" if said else "ok", "; ".join(said))
    return kept
