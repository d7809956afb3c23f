"""What an adapter makes of a layout: videos and questions, the same records for every dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cache.errors import DataError
from cache.stage import Absent


@dataclass(frozen=True)
class Video:
    """One media file: a video, or a shard of many videos' records.

    ``path`` is relative to the data root, with ``/``; whether the file is there is the stage's to see. Raises DataError for one that
    leads out of the data root by itself (what links do is their owner's business).
    """

    id: str
    path: str
    splits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or parts[0] == "/" or ".." in parts or "\0" in self.path:
            raise DataError(
                f"video {self.id!r}: {self.path!r} names no file under the data root",
                hint="paths are relative to the data root, without '..'",
            )


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

    holds:   what stages find in it: ``"videos"``, ``"questions"`` about them, ``"records"`` of features.
    sources: root -> paths, relative to the root, of the annotation and media files that the dataset may use and that are
             there; :class:`Absent` for what is not, where no annotation names it. It runs on every ``kdpipe status``: it looks
             at names, not into annotations.
    read:    root -> the dataset. Raises DataError that names file, entry and key of what is wrong.
    lying:   root -> all that lies there, as ``sources`` says it; None: ``sources`` names it already.
    examine: "module:function" that tells what one of its files is (see :func:`media.examine.examine`).
    """

    sources: Callable[[Path], Iterator[str | Absent]]
    read: Callable[[Path], Dataset]
    lying: Callable[[Path], Iterator[str | Absent]] | None = None
    holds: tuple[str, ...] = ("videos",)
    examine: str = "media.examine:examine"


def path_of(found: str | Absent) -> str:
    """The path of what :attr:`Layout.sources` yields."""
    return found if isinstance(found, str) else found.path


def id_order(id: str) -> tuple[int, int, str]:
    """Sort key of ids: whole numbers by value, then the others as text."""
    digits = id.removeprefix("-")
    whole = digits.isascii() and digits.isdecimal()
    return (0, int(id), id) if whole else (1, 0, id)
