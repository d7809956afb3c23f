"""Is a Matroska or WebM file whole? FFmpeg reads a cut one to its last packet, and passes over what is no element of the format,
and says nothing; and there is no frame count.

The file is an EBML header and a segment, each an id, a length and a body (RFC 8794, RFC 9559); a live recording may leave
the length open.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"
CLUSTER = b"\x1f\x43\xb6\x75"
SIMPLE_BLOCK = b"\xa3"
#: Flags of a simple block that are always zero.
RESERVED = 0x70
#: What may stand in a segment (four bytes), or in its clusters (one or two), by RFC 9559; and fillers and checksums, anywhere.
ELEMENTS = frozenset(
    bytes.fromhex(id)
    for id in (
        *("114d9b74", "1549a966", "1654ae6b", "1c53bb6b", "1254c367", "1043a770", "1941a469", "1f43b675"),
        *("e7", "a3", "a0", "ab", "a7", "af", "5854"),
        *("ec", "bf"),
    )
)
#: Of an element, its id and length, and of a block also its track, time and flags.
HEAD = 24


def damage(path: Path) -> str:
    """What is wrong with the structure of a Matroska file, or ""; reads the head of every block, and no picture."""
    cut = missing_bytes(path)
    if cut:
        return f"the last {cut} bytes of the file are not there"
    with path.open("rb") as file:
        bounds = _segment(file)
        stray = None if bounds is None else _stray(file.fileno(), *bounds)
    return "" if stray is None else f"the file is damaged at byte {stray}, and what follows may be missing"


def missing_bytes(path: Path) -> int:
    """Bytes by which the file is shorter than its segment says; 0 if it is whole, or says nothing, or is no Matroska file."""
    with path.open("rb") as file:
        bounds = _segment(file)
    return 0 if bounds is None else max(0, bounds[1] - path.stat().st_size)


def _segment(file: BinaryIO) -> tuple[int, int] | None:
    """Where the body of the segment begins and ends; one without a length ends with the file."""
    if file.read(4) != EBML:
        return None
    header = _length(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(4) != SEGMENT:
        return None
    body = _length(file)
    start = file.tell()
    return start, os.fstat(file.fileno()).st_size if body is None else start + body


def _stray(file: int, place: int, end: int) -> int | None:
    """The place of the first byte from ``place`` on where no element begins that may stand there; None if there is none."""
    while place < end:
        head = os.pread(file, HEAD, place)
        size = 9 - head[0].bit_length() if head else 0
        id = head[:size]
        if id not in ELEMENTS or len(head) <= size:
            return place
        more = 8 - head[size].bit_length()
        length = int.from_bytes(head[size : size + 1 + more], "big") ^ (0x80 << 7 * more)
        begin = place + size + 1 + more
        unknown = length == (1 << 7 * (more + 1)) - 1
        if id == CLUSTER:
            place = begin  # its blocks come next
        elif unknown or begin + length > end or (id == SIMPLE_BLOCK and _bad_block(head[begin - place :])):
            return place
        else:
            place = begin + length
    return None


def _bad_block(body: bytes) -> bool:
    """Does the body of a simple block not begin with a track below 127, two bytes of time, and flags? FFmpeg ends there."""
    return len(body) < 4 or body[0] <= 0x80 or bool(body[3] & RESERVED)


def _length(file: BinaryIO) -> int | None:
    """Read a length: the leading zero bits of the first byte tell how many bytes follow; all ones mean unknown."""
    first = file.read(1)
    if not first or first == b"\x00":
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] ^ (0x80 >> more)]) + file.read(more), "big")
    return None if value == (1 << 7 * (more + 1)) - 1 else value
