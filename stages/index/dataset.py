"""What an adapter makes of a layout: videos and questions, the same records for every dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Video:
    """One media file: a video, or a shard of many videos' records.

    ``path`` is relative to the data root, with ``/``; whether the file is there is the stage's to see.
    """

    id: str
    path: str
    splits: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """One question and its answer. ``question_id`` is its position in the annotation file of its split."""

    split: str
    question_id: int
    video_id: str
    question: str
    answer: str


@dataclass(frozen=True)
class Dataset:
    """The videos that the dataset uses, its questions in the order of the annotation files, and its splits.

    ``about``: whatever else its stages have to know (classes, say); it goes into ``dataset.json`` as it is.
    """

    videos: list[Video]
    questions: list[Question] = field(default_factory=list)
    splits: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """An adapter.

    sources: root -> paths, relative to the root, of the annotation and media files that the dataset may use and that are
             there. It runs on every ``kdpipe status``: it looks at names, not into annotations.
    read:    root -> the dataset. Raises DataError that names file, entry and key of what is wrong.
    lying:   root -> paths of all files that lie there; None: ``sources`` names them already.
    examine: "module:function" that tells what one of its files is (see :func:`stages.media.examine.examine`).
    """

    sources: Callable[[Path], Iterator[str]]
    read: Callable[[Path], Dataset]
    lying: Callable[[Path], Iterator[str]] | None = None
    examine: str = "stages.media.examine:examine"


def id_order(id: str) -> tuple[int, int, str]:
    """Sort key of ids: whole numbers by value, then the others as text."""
    digits = id.removeprefix("-")
    whole = digits.isascii() and digits.isdecimal()
    return (0, int(id), id) if whole else (1, 0, id)
