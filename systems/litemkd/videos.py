"""The videos of the few-shot splits, as the index lists them: whether they are enough, and what is said of those that are missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from cache.errors import ConfigError, DataError
from cache.json_files import read_lines
from cache.ledger import Ledger

PARTS = ("train", "val", "test")


class Video(NamedTuple):
    """A video by class and name."""

    label: str
    name: str


def listed(index: Path, *parts: str) -> list[Video]:
    """The videos of ``few-shot/<part>``, of one or several parts of :data:`PARTS`, in the order of the index: class and id.

    Of ``val`` there may be none. Raises ConfigError if the dataset has no such splits, DataError for a video without a class.
    """
    classes = {row["video_id"]: row["classes"] for row in read_lines(index / "annotations.jsonl")}
    found, empty = [], {f"few-shot/{part}" for part in parts}
    wanted = set(empty)
    for row in read_lines(index / "media.jsonl"):
        within = wanted.intersection(row["splits"])
        if within:
            if not classes.get(row["id"]):
                raise DataError(f"the index names no class of {row['id']}, which is in {min(within)}")
            found.append(Video(str(classes[row["id"]][0]), str(row["id"])))
            empty -= within
    if empty - {"few-shot/val"}:
        hint = "UCF101, HMDB51 and Kinetics-100 have some (docs/DATASETS.md)"
        raise ConfigError(f"the dataset has no videos of the split {max(empty)}", hint=hint)
    return found


def counts(videos: Iterable[Video]) -> dict[str, int]:
    """Class -> how many videos it has."""
    return dict(Counter(video.label for video in videos))


def require_classes(counts: Mapping[str, int], way: int, enough: int, missing: int = 0) -> None:
    """Raise DataError if fewer than ``way`` classes have ``enough`` videos; so many listed ones are ``missing``."""
    fitting = sum(count >= enough for count in counts.values())
    if fitting < way:
        what = f"{fitting} of {len(counts)} classes have the {enough} videos that an episode takes; {way} classes are needed"
        raise DataError(f"{what} ({missing} listed videos are missing)", hint="fewer ways, shots or queries, or more videos")


def ways_of_validation(counts: Mapping[str, int], way: int, shot: int, section: str) -> int:
    """The ways of episodes of few-shot/val, ``way`` or as many as it has classes. Raises ConfigError if these are no two."""
    found = min(way, sum(count > shot for count in counts.values()))
    if found < 2:
        what = f"few-shot/val has {found} classes of {shot + 1} videos, and 2 are needed to select weights by"
        raise ConfigError(what, hint=f"--set {section}.select=last")
    return found


def note(ledger: Ledger, videos: Collection[Video], there: Collection[str], why: Mapping[str, str] | None = None) -> None:
    """Say of listed videos (ids) whether they are there; they were lost before, and no episode has them. ``why``: id -> the reason."""
    for video in videos:
        if video.name in there:
            ledger.add(video.name, "ok")
        else:
            ledger.add(video.name, "lost_before", f"in no episode: {(why or {}).get(video.name, 'an earlier stage lost it')}")
