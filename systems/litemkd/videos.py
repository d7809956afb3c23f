"""The videos of the few-shot splits, as the index lists them, and what is said of those that are missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from cache.errors import ConfigError, DataError
from cache.json_files import read_lines
from cache.ledger import Ledger
from systems.litemkd.episodes import Video

PARTS = ("train", "val", "test")


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


def note(ledger: Ledger, videos: Collection[Video], there: Collection[str], why: Mapping[str, str] | None = None) -> None:
    """Say of listed videos (ids) whether they are there; they were lost before, and no episode has them. ``why``: id -> the reason."""
    for video in videos:
        if video.name in there:
            ledger.add(video.name, "ok")
        else:
            ledger.add(video.name, "lost_before", f"in no episode: {(why or {}).get(video.name, 'an earlier stage lost it')}")
