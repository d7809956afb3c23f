"""The bytes of one shard of an item set: rows one behind the other, each with a checksum of its head and one of everything.

A row of format 2: ``KDI2``, row key (32 bytes), u32 length of meta, u64 length of payload, crc32 of these (all little-endian),
meta, payload, sha256 of all of the above. Format 1 (``KDI1``) had no crc32 and is still read. The head's own checksum tells a row
that a kill cut short (sound head, bytes missing) from one that was damaged later.

Meta is a JSON object that begins ``{"crc32":"........"``: the crc32 of head, meta (with zeros in its place) and payload. It is the
quick check of the readers that take many rows, in a quarter of the time of sha256; rows without it are checked by sha256.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cache import network

HEAD1 = struct.Struct("<4s32sIQ")
HEAD2 = struct.Struct("<4s32sIQI")
MAGICS = {b"KDI1": HEAD1, b"KDI2": HEAD2}
TAIL = 32
#: How the meta of a row with a quick check begins; eight hex digits and a quotation mark follow.
QUICK = b'{"crc32":"'
#: How much is read at a time while looking for the next row behind a damaged one.
WINDOW = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row lies: ``offset`` of its head, lengths of meta and payload in bytes."""

    key: str
    shard: Path
    offset: int
    meta_size: int
    payload_size: int
    head_size: int = HEAD2.size

    @property
    def end(self) -> int:
        """Offset of the byte behind the row."""
        return self.offset + self.head_size + self.meta_size + self.payload_size + TAIL


@dataclass(frozen=True)
class Hole:
    """Bytes from ``offset`` to ``end`` that are no row. ``torn``: the beginning of a last row that a kill cut short."""

    shard: Path
    offset: int
    end: int
    torn: bool


def encode_row(key: str, meta: bytes, payload: bytes | memoryview) -> bytes:
    """The bytes of a row; ``key`` is 64 hex digits, ``meta`` a JSON object without spaces, to which the quick check is added."""
    rest = b'"' + (b"," if len(meta) > 2 else b"") + meta[1:]
    head = HEAD2.pack(b"KDI2", bytes.fromhex(key), len(QUICK) + 8 + len(rest), len(payload), 0)[:-4]
    head += zlib.crc32(head).to_bytes(4, "little")
    meta = QUICK + b"%08x" % _crc32(head, rest, payload) + rest
    digest = hashlib.sha256(head)
    digest.update(meta)
    digest.update(payload)
    return b"".join((head, meta, payload, digest.digest()))


def _crc32(head: bytes | memoryview, *rest: bytes | memoryview) -> int:
    """Of a head, a meta that begins with zeros for its quick check, and what follows."""
    found = zlib.crc32(QUICK + b"00000000", zlib.crc32(head))
    for part in rest:
        found = zlib.crc32(part, found)
    return found


def quick(place: Place, row: memoryview) -> bool | None:
    """Whether a row's quick check holds; None if it has none. It finds what chance does to bytes, not what malice does."""
    behind = place.head_size + len(QUICK) + 8
    if bytes(row[place.head_size : behind - 8]) != QUICK or len(row) != place.end - place.offset:
        return None
    return b"%08x" % _crc32(row[: place.head_size], row[behind:-TAIL]) == bytes(row[behind - 8 : behind])


def read_row(place: Place) -> tuple[bytes, memoryview]:
    """(meta, payload) of the row at ``place``. Raises ValueError if it is cut short or its checksum does not match."""
    row = memoryview(_read_at(place.shard, place.end - place.offset, place.offset))
    return checked(place, row, checksum(row))


def read_run(places: Sequence[Place]) -> list[memoryview]:
    """The bytes of rows that lie one behind the other in a shard, in one read; for :func:`checked`, row by row."""
    start = places[0].offset
    data = memoryview(_read_at(places[0].shard, places[-1].end - start, start))
    return [data[place.offset - start : place.end - start] for place in places]


def checksum(row: memoryview) -> bytes:
    """The sha256 of a row's bytes that should stand in its tail."""
    return hashlib.sha256(row[:-TAIL]).digest()


def checked(place: Place, row: memoryview, found: bytes | memoryview) -> tuple[bytes, memoryview]:
    """(meta, payload) of a row's bytes, of which ``found`` is the checksum; the payload is a view. ValueError as in :func:`read_row`."""
    if len(row) != place.end - place.offset:
        raise ValueError("it is cut short")
    if found != row[-TAIL:]:
        raise ValueError("its checksum does not match")
    meta = place.head_size + place.meta_size
    return bytes(row[place.head_size : meta]), row[meta:-TAIL]


def read_meta(place: Place) -> bytes:
    """The meta of the row at ``place`` alone, so unchecked: its checksum is that of the whole row."""
    return _read_at(place.shard, place.meta_size, place.offset + place.head_size)


def scan(shard: Path, start: int = 0) -> Iterator[Place | Hole]:
    """Yield the rows of a shard from offset ``start`` on, by their heads alone, and what lies between them.

    Behind a damaged head the scan looks for the next sound one, so that damage costs the rows that it touches and no more.
    """
    descriptor = os.open(shard, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        while start < size:
            place = _head(descriptor, shard, start)
            if place is not None and place.end <= size:
                yield place
                start = place.end
                continue
            found = _resync(descriptor, shard, start + 1, size)
            torn = found is None and _cut_short(descriptor, place, start, size)
            end = size if found is None else found
            yield Hole(shard, start, end, torn)
            start = end
    finally:
        os.close(descriptor)


def sound_rows(shard: Path) -> int | None:
    """Where the last whole row of a shard ends; None if a row is damaged. Every row is read; one cut short at the end is no damage."""
    end = 0
    for place in scan(shard):
        if isinstance(place, Hole):
            return end if place.torn else None
        try:
            read_row(place)
        except ValueError:
            return None
        end = place.end
    return end


def _head(descriptor: int, shard: Path, offset: int) -> Place | None:
    """The row whose sound head stands at ``offset``, or None."""
    data = os.pread(descriptor, HEAD2.size, offset)
    head = MAGICS.get(data[:4])
    if head is None or len(data) < head.size:
        return None
    _, key, meta_size, payload_size, *check = head.unpack(data[: head.size])
    if check and zlib.crc32(data[: head.size - 4]) != check[0]:
        return None
    place = Place(key.hex(), shard, offset, meta_size, payload_size, head.size)
    if not check and os.pread(descriptor, 4, place.end) not in (b"", *MAGICS):
        return None  # format 1 has no checksum of the head: what follows must be the next row, or nothing
    return place


def _cut_short(descriptor: int, place: Place | None, start: int, size: int) -> bool:
    """Whether what stands at ``start`` is the beginning of a row that ends past the end of the file."""
    if place is not None:
        return True
    rest = os.pread(descriptor, HEAD2.size, start)
    return size - start < HEAD2.size and any(rest[:4] == magic[: len(rest[:4])] for magic in MAGICS)


def _resync(descriptor: int, shard: Path, start: int, size: int) -> int | None:
    """Offset of the next sound row at or behind ``start``; None if there is none. Only a whole row whose checksum holds counts."""
    while start < size:
        window = os.pread(descriptor, WINDOW + HEAD2.size, start)
        position = window.find(b"KDI")
        while 0 <= position < WINDOW:
            place = _head(descriptor, shard, start + position)
            if place is not None and place.end <= size and _sound(place):
                return start + position
            position = window.find(b"KDI", position + 1)
        start += WINDOW
    return None


def _sound(place: Place) -> bool:
    try:
        read_row(place)
    except ValueError:
        return False
    return True


def _read_at(shard: Path, size: int, offset: int) -> bytes:
    """As :func:`_read`; once more if another machine puts a longer version of the shard in its place meanwhile."""

    def read() -> bytes:
        descriptor = os.open(shard, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _read(descriptor, size, offset)
        finally:
            os.close(descriptor)

    return network.again(read)


def _read(descriptor: int, size: int, offset: int) -> bytes:
    """``size`` bytes from ``offset``, fewer at the end of the file; one read is not promised to bring all."""
    data = os.pread(descriptor, size, offset)
    if len(data) == size or not data:
        return data
    parts = [data]
    got = len(data)
    while got < size and (more := os.pread(descriptor, size - got, offset + got)):
        parts.append(more)
        got += len(more)
    return b"".join(parts)
