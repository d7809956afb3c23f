"""Is an Ogg file cut off? It has no length, but its last page says that it is the last, and how long it is (RFC 3533, section 6).
FFmpeg passes over a page that is not whole in silence.
"""

from __future__ import annotations

from pathlib import Path

MARK = b"OggS"
#: Of a page: its head without the table of segments, and in it the place of the flags and of the length of that table.
HEAD, FLAGS, SEGMENTS = 27, 5, 26
LAST = 0x04
#: No page is longer: head, table, 255 segments of 255 bytes.
LONGEST = HEAD + 255 + 255 * 255


def damage(path: Path) -> str:
    """What the last page tells of damage, or ""."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - LONGEST))
        end = file.read(LONGEST)
    place = end.rfind(MARK)
    page = end[place:] if place >= 0 else b""
    if len(page) < HEAD or len(page) != _length(page):
        return f"the last page of the file is not whole, {len(page)} bytes of it are there: it may be cut off"
    return "" if page[FLAGS] & LAST else "the last page does not say that it is the last: the file may be cut off"


def _length(page: bytes) -> int:
    table = page[HEAD : HEAD + page[SEGMENTS]]
    return HEAD + page[SEGMENTS] + sum(table)
