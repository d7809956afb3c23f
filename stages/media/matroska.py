"""Is a Matroska or WebM file whole? FFmpeg reads a cut one to its last packet and says nothing, and there is no frame count.

The file is an EBML header and a segment, each an id, a length and a body (RFC 8794, RFC 9559); a live recording may leave
the length open.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

EBML = b"\x1a\x45\xdf\xa3"
SEGMENT = b"\x18\x53\x80\x67"


def missing_bytes(path: Path) -> int:
    """Bytes by which the file is shorter than its segment says; 0 if it is whole, or says nothing, or is no Matroska file."""
    with path.open("rb") as file:
        if file.read(4) != EBML:
            return 0
        header = _length(file)
        if header is None:
            return 0
        file.seek(header, 1)
        if file.read(4) != SEGMENT:
            return 0
        body = _length(file)
        end = file.tell() + (body or 0)
    return max(0, end - path.stat().st_size)


def _length(file: BinaryIO) -> int | None:
    """Read a length: the leading zero bits of the first byte tell how many bytes follow; all ones mean unknown."""
    first = file.read(1)
    if not first or first == b"\x00":
        return None
    more = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] ^ (0x80 >> more)]) + file.read(more), "big")
    return None if value == (1 << 7 * (more + 1)) - 1 else value
