"""The clips of a fold, as the index lists them, with the numbers of their classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cache.errors import ConfigError, DataError
from cache.json_files import read_json, read_lines
from cache.ledger import Ledger


class Video(NamedTuple):
    """A clip of a dataset: its id, and the number of its class, from 0."""

    id: str
    label: int


class Split(NamedTuple):
    """The clips of a split in the order of the index, and the names of all classes."""

    name: str
    videos: list[Video]
    classes: tuple[str, ...]


def listed(index: Path, split: str) -> Split:
    """The clips of a split such as ``1/train``. Classes are numbered as the dataset does.

    Raises ConfigError if there is no such split, or there are no two classes; DataError for a clip without a class.
    """
    named = {row["video_id"]: row["classes"] for row in read_lines(index / "annotations.jsonl")}
    rows = list(read_lines(index / "media.jsonl"))
    found = [row["id"] for row in rows if split in row["splits"]]
    if not found:
        known = sorted({name for row in rows for name in row["splits"] if "few-shot" not in name})
        hint = f"it has {', '.join(known)}" if known else "UCF101 and HMDB51 have some, and so has a folder with a table of classes"
        raise ConfigError(f"the dataset has no clips of the split {split}", hint=f"{hint} (docs/DATASETS.md)")
    classes = tuple(read_json(index / "dataset.json").get("classes") or sorted({str(own[0]) for own in named.values() if own}))
    if len(classes) < 2:
        raise ConfigError(f"the dataset has {len(classes)} classes, and there is nothing to tell apart")
    numbers = {name: number for number, name in enumerate(classes)}
    return Split(split, list(_numbered(found, named, numbers)), classes)


def _numbered(ids: Sequence[str], named: dict[str, list[str]], numbers: dict[str, int]) -> Iterator[Video]:
    for id in ids:
        own = named.get(id) or []
        if not own or own[0] not in numbers:
            raise DataError(f"the index names no class of {id}")
        yield Video(str(id), numbers[own[0]])


def present(split: Split, there: Collection[str], ledger: Ledger) -> list[Video]:
    """The clips of which there are pictures; the ledger says of each whether there are. Raises DataError if there are none."""
    kept = [video for video in split.videos if video.id in there]
    if not kept:
        raise DataError(f"none of the {len(split.videos)} clips of {split.name} has pictures", hint="kdpipe show sample --ledger")
    for video in split.videos:
        if video.id in there:
            ledger.add(video.id, "ok")
        else:
            ledger.add(video.id, "lost_before", "an earlier stage lost it")
    return kept
