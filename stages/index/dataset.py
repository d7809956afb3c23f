"""What an adapter makes of a layout: files, what is said of them, and splits; the same records for every dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from cache.errors import DataError
from cache.npy import Form
from cache.stage import Absent


@dataclass(frozen=True)
class Video:
    """One media file: a video, a sound, an array that was made of one, or a shard of many videos' records.

    ``path`` is relative to the data root, with ``/``; whether the file is there is the stage's to see. ``splits`` are any number of the
    dataset's; where it has folds, they are called ``1/train``, ``1/test``, ``2/train`` and so on. ``modality`` tells files of one video
    apart (``"flow"``); "" if there is but one. Raises DataError for a path that leads out of the data root by itself (what links do is
    their owner's business).
    """

    id: str
    path: str
    splits: tuple[str, ...] = ()
    modality: str = ""

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or parts[0] == "/" or ".." in parts or "\0" in self.path:
            raise DataError(
                f"video {self.id!r}: {self.path!r} names no file under the data root",
                hint="paths are relative to the data root, without '..'",
            )

    @property
    def name(self) -> str:
        """What the ledger calls the file: the id, and the modality where a video has several."""
        return f"{self.id} ({self.modality})" if self.modality else self.id


@dataclass(frozen=True)
class Annotation:
    """What a dataset says of a video, or of a part of it.

    classes: one name of the dataset's classes, or several where it gives a video several.
    segment: where the part begins and ends, in seconds; None: it is the whole video.
    """

    video_id: str
    classes: tuple[str, ...]
    segment: tuple[float, float] | None = None


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
    """The files that the dataset uses, what it says of them in the order of its annotation files, and its splits.

    ``classes``: their names; a class is the number of its place from 0. ``about``: whatever else its stages have to know; it goes into
    ``dataset.json`` as it is. ``notes``: what a person has to know of a file that is there (no part of it is annotated, say), by its name.
    ``absent``: what the annotations name without a file that one could look for -> why it is lost.
    """

    videos: list[Video]
    questions: list[Question] = field(default_factory=list)
    splits: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    annotations: list[Annotation] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """An adapter.

    holds:   what stages find in it. Of its files: ``"videos"``, ``"audio"``, both if each file has to have both, ``"arrays"`` or
             ``"records"`` of features. Of its annotations: ``"questions"``, ``"class"`` (exactly one a video), ``"classes"`` (any number),
             ``"segments"`` (parts with a class).
    sources: root -> paths, relative to the root, of the annotation and media files that the dataset may use and that are
             there; :class:`Absent` for what is not, where no annotation names it. It runs on every ``kdpipe status``: it looks
             at names, not into annotations.
    read:    root -> the dataset. Raises DataError that names file, entry and key of what is wrong.
    lying:   root -> all that lies there, as ``sources`` says it; None: ``sources`` names it already.
    examine: "module:function" that tells what one of its files is (see :func:`media.examine.examine`).
    arrays:  modality -> what its npy files have to hold.
    data:    packaged files that ``read`` reads.
    """

    sources: Callable[[Path], Iterator[str | Absent]]
    read: Callable[[Path], Dataset]
    lying: Callable[[Path], Iterator[str | Absent]] | None = None
    holds: tuple[str, ...] = ("videos",)
    examine: str = "media.examine:examine"
    arrays: Mapping[str, Form] = field(default_factory=dict)
    data: tuple[Path, ...] = ()

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that each of its files has to have: ``"video"``, ``"audio"`` or both; none of arrays and records."""
        return tuple(stream for stream, held in (("video", "videos"), ("audio", "audio")) if held in self.holds)

    @property
    def noun(self) -> str:
        """What people call its files."""
        return "sounds" if self.streams == ("audio",) else "arrays" if self.arrays else "videos"


def path_of(found: str | Absent) -> str:
    """The path of what :attr:`Layout.sources` yields."""
    return found if isinstance(found, str) else found.path


def id_order(id: str) -> tuple[int, int, str]:
    """Sort key of ids: whole numbers by value, then the others as text."""
    digits = id.removeprefix("-")
    whole = digits.isascii() and digits.isdecimal()
    return (0, int(id), id) if whole else (1, 0, id)
