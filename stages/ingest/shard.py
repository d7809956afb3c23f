"""One shard: its records as pieces of a few megabytes, each a row of the item layer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.digest import digest_file
from cache.errors import DataError
from cache.pack import pack, unpack
from formats.tfrecord import Damage, Record, RecordError, read_records
from formats.wire import WireError
from formats.youtube8m import Video, parse_frames, parse_means
from stages.ingest import IngestParams

#: A piece ends with the video that reaches this size.
PIECE_BYTES = 4 << 20
#: The byte whose value is nearest to 0 (-0.00003): what missing audio is filled up with, as the reference fills up with 0.
ZERO = 127
#: How many damages a shard's outcome names.
SHOWN = 3


@dataclass
class Tally:
    """What was met in a shard, whatever its file is called; ``top`` is the largest label and ``where`` it stands."""

    videos: int = 0
    rows: int = 0
    truncated: int = 0
    unlabelled: int = 0
    uneven: int = 0
    empty: int = 0
    damages: int = 0
    shown: list[str] = field(default_factory=list)
    top: int = -1
    where: str = ""

    def damaged(self, damage: Damage) -> None:
        """Count a damage, and keep the first few."""
        self.damages += 1
        if len(self.shown) < SHOWN:
            self.shown.append(f"byte {damage.offset}: {damage.what}")


@dataclass
class Piece:
    """Some videos of a shard: ``frames`` (rows, D), and of each video its number of rows, labels and id, or its record's number."""

    frames: list[npt.NDArray[Any]] = field(default_factory=list)
    labels: list[npt.NDArray[np.int64]] = field(default_factory=list)
    ids: list[str | int] = field(default_factory=list)
    size: int = 0

    def add(self, id: str | int, labels: npt.NDArray[np.int64], frames: npt.NDArray[Any]) -> None:
        """Append a video."""
        self.frames.append(frames)
        self.labels.append(labels)
        self.ids.append(id)
        self.size += frames.nbytes

    def pack(self) -> bytes:
        """The piece as a payload."""
        return pack(
            {
                "frames": np.concatenate(self.frames),
                "lengths": np.array([len(frames) for frames in self.frames], np.int64),
                "labels": np.concatenate(self.labels).astype(np.int32),
                "counts": np.array([len(labels) for labels in self.labels], np.int64),
                "ids": json.dumps(self.ids).encode(),
            }
        )


def unpacked(payload: bytes | memoryview) -> Iterator[tuple[str | int, npt.NDArray[Any], npt.NDArray[Any]]]:
    """(id, labels, frames (T, D)) of each video of a packed piece; the number of its record in the shard if that has no id."""
    arrays = unpack(payload)
    row = label = 0
    for id, length, count in zip(json.loads(arrays["ids"].tobytes()), arrays["lengths"].tolist(), arrays["counts"].tolist()):
        yield id, arrays["labels"][label : label + count], arrays["frames"][row : row + length]
        row, label = row + length, label + count


def read_shard(path: Path, digest: str, level: str, params: IngestParams, tally: Tally) -> Iterator[Piece]:
    """Yield the pieces of a shard, whose sha256 must be ``digest``; ``tally`` is complete at the end.

    Raises DataError that names file and byte: damage (unless it is to be skipped), uneven features, a label below 0.
    """
    _check_unchanged(path, digest, "since it was indexed")
    skip = tally.damaged if params.damaged == "skip" else None
    piece = Piece()
    for number, record in enumerate(read_records(path, skip)):
        try:
            video = parse_frames(record.data, params.rgb, params.audio) if level == "frame" else _means(record, params)
        except WireError as error:
            _report(Damage(path, record.offset, "content", f"no {level}-level record: {error.message}", reachable=True), skip)
            continue
        where = f"byte {record.offset}, video {video.id!r}"
        frames = _frames(video, f"{path.name}, {where}", params, tally)
        if not len(frames):
            tally.empty += 1
            continue
        _count(video, path, where, tally)
        tally.rows += len(frames)
        piece.add(video.id or number, video.labels, frames)
        if piece.size >= PIECE_BYTES:
            yield piece
            piece = Piece()
    _check_unchanged(path, digest, "while it was being read")  # else its rows would stand under the digest of what it was
    if piece.ids:
        yield piece


def _check_unchanged(path: Path, digest: str, when: str) -> None:
    if not path.is_file() or digest_file(path) != digest:
        raise DataError(f"{path} changed {when}", hint="kdpipe index, then kdpipe ingest")


def _means(record: Record, params: IngestParams) -> Video:
    return parse_means(record.data, params.rgb, params.audio)


def _report(damage: Damage, skip: Any) -> None:
    if skip is None:
        raise RecordError(damage)
    skip(damage)


def _frames(video: Video, where: str, params: IngestParams, tally: Tally) -> npt.NDArray[Any]:
    """rgb and audio side by side, (T, D), T at most ``max_frames``."""
    length = min(len(video.rgb), params.max_frames)
    tally.truncated += len(video.rgb) > length
    audio = video.audio[:length]
    if len(video.audio) != len(video.rgb):
        if params.uneven == "error":
            what = f"{where}: {len(video.rgb)} visual and {len(video.audio)} audio frames"
            raise DataError(what, hint="--set ingest.uneven=pad cuts or fills up the audio, and counts such videos")
        tally.uneven += 1
        audio = np.concatenate([audio, np.full((length - len(audio), params.audio), ZERO, audio.dtype)])
    return np.concatenate([video.rgb[:length], audio], axis=1)


def _count(video: Video, path: Path, where: str, tally: Tally) -> None:
    tally.videos += 1
    if not len(video.labels):
        tally.unlabelled += 1
        return
    if video.labels[0] < 0:
        raise DataError(f"{path.name}, {where}: label {video.labels[0]}", hint="labels are numbers from 0")
    if video.labels[-1] > tally.top:
        tally.top, tally.where = int(video.labels[-1]), where
