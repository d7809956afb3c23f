"""TFRecord files: records back to back, each with a checksum of its length and one of its content.

    uint64 length, uint32 masked crc32c of these 8 bytes, length bytes of content, uint32 masked crc32c of the content

all little-endian. masked(c) = ((c >> 15 | c << 17) + 0xA282EAD8) mod 2^32. A file may end only between two records.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import google_crc32c

from cache.errors import DataError
from cache.given import plain_file

HEADER = struct.Struct("<QI")
TAIL = struct.Struct("<I")
MASK_DELTA = 0xA282EAD8
BUFFER = 1 << 20
#: A record of more bytes is no video: those of YouTube-8M have 350 kB. Parsed, hostile ones take 75 times as much memory.
LARGEST = 4 << 20
#: Beginnings of files that people mistake for TFRecords.
FOREIGN = {b"\x1f\x8b": "a gzip file", b"PK": "a zip archive", b"\x89HDF": "an HDF5 file", b"<": "a web page", b"\x80": "a pickle"}


class Record(NamedTuple):
    """One record: ``offset`` of its header in the file, and its content."""

    offset: int
    data: bytes


@dataclass(frozen=True)
class Damage:
    """What is wrong with ``path`` at byte ``offset`` (where the record's header begins).

    kind: "short_header", "length_crc", "truncated", "too_large", "data_crc" or "content" (sound bytes that are no video, which
    readers above report). ``reachable``: the next record can still be found.
    """

    path: Path
    offset: int
    kind: str
    what: str
    reachable: bool = False

    def __str__(self) -> str:
        return f"{self.path}, byte {self.offset}: {self.what}"


class RecordError(DataError):
    """A damaged record; ``damage`` says where."""

    def __init__(self, damage: Damage) -> None:
        rest = "the records behind it can still be read" if damage.reachable else "nothing behind it can be read"
        super().__init__(str(damage), hint=f"{rest}; fetch the file again, or skip what is damaged")
        self.damage = damage


def masked_crc(data: bytes) -> int:
    """The masked CRC-32C of ``data``, as it stands in TFRecord files and TensorFlow's tables."""
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF


def read_records(path: Path, skip: Callable[[Damage], None] | None = None) -> Iterator[Record]:
    """Yield the records of a file in order, both checksums of each verified.

    Damage raises :class:`RecordError` naming file and offset. With ``skip`` it is handed to that function instead, and reading
    goes on behind it where the next record can be found: after a bad content, not after a bad length. A length is not believed before
    its checksum, nor beyond the end of the file, so memory holds one record that is really there.
    """
    report = skip or _raise
    plain_file(Path(path))
    with Path(path).open("rb", buffering=BUFFER) as file:
        yield from _records(file, Path(path), os.fstat(file.fileno()).st_size, report)


def _records(file: BinaryIO, path: Path, size: int, report: Callable[[Damage], None]) -> Iterator[Record]:
    offset = 0
    read, value, unpack = file.read, google_crc32c.value, HEADER.unpack
    while header := read(HEADER.size):
        if len(header) < HEADER.size:
            return report(Damage(path, offset, "short_header", f"the file ends within a record's header ({len(header)} of 12 bytes)"))
        length, expected = unpack(header)
        crc = value(header[:8])
        if ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF != expected:
            return report(Damage(path, offset, "length_crc", _no_length(header, offset)))
        end = offset + HEADER.size + length + TAIL.size
        if end > size:
            what = f"a record of {length} bytes, but the file ends {end - size} bytes before its end"
            return report(Damage(path, offset, "truncated", what))
        if length > LARGEST:
            report(Damage(path, offset, "too_large", f"a record of {length:,} bytes, at most {LARGEST:,} are read", reachable=True))
            file.seek(length + TAIL.size, os.SEEK_CUR)
            offset = end
            continue
        data = read(length)
        tail = read(TAIL.size)
        if len(data) < length or len(tail) < TAIL.size:
            return report(Damage(path, offset, "truncated", "the file became shorter while it was read"))
        crc = value(data)
        if ((crc >> 15 | crc << 17) + MASK_DELTA) & 0xFFFFFFFF != TAIL.unpack(tail)[0]:
            report(Damage(path, offset, "data_crc", f"the checksum of a record of {length} bytes does not match", reachable=True))
        else:
            yield Record(offset, data)
        offset = end
    return None


def _no_length(header: bytes, offset: int) -> str:
    what = "the checksum of a record's length does not match"
    if offset:
        return what
    looks = next((name for start, name in FOREIGN.items() if header.startswith(start)), "")
    return f"{what}: this is no TFRecord file" + (f" but looks like {looks}" if looks else "")


def _raise(damage: Damage) -> None:
    raise RecordError(damage)


class RecordWriter:
    """Writes records to a new file. A context manager; the same records give the same bytes."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=BUFFER)

    def write(self, data: bytes) -> None:
        """Append one record."""
        length = len(data).to_bytes(8, "little")
        self._file.writelines((length, TAIL.pack(masked_crc(length)), data, TAIL.pack(masked_crc(data))))

    def __enter__(self) -> RecordWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
