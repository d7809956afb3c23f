"""Is an MPEG transport stream cut off? It has no length, but it is made of packets of one size: a cut seldom falls between two."""

from __future__ import annotations

from pathlib import Path

SYNC = 0x47
#: (bytes before the first mark, bytes a packet): plain, with time codes (Blu-ray, AVCHD), with error correction.
SHAPES = ((0, 188), (4, 192), (0, 204))


def damage(path: Path) -> str:
    """What the size of the file tells of a cut, or ""."""
    with path.open("rb") as file:
        head = file.read(1024)
    for start, size in SHAPES:
        marks = head[start::size][: len(head) // size]
        if len(marks) > 1 and set(marks) == {SYNC}:
            rest = path.stat().st_size % size
            return f"the file ends {rest} bytes into a packet of {size}: it may be cut off" if rest else ""
    return ""
