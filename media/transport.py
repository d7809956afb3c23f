"""Is an MPEG transport stream cut off or broken? It has no length, but it is made of packets of one size that begin with a mark: a cut
seldom falls between two, and FFmpeg looks for the next mark in silence.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

SYNC = 0x47
#: (bytes before the first mark, bytes a packet): plain, with time codes (Blu-ray, AVCHD), with error correction.
SHAPES = ((0, 188), (4, 192), (0, 204))


#: Packets that are looked at in one go.
PACKETS = 8192


def damage(path: Path) -> str:
    """What the marks and the size of the file tell of damage, or ""."""
    with path.open("rb") as file:
        head = file.read(1024)
        for start, size in SHAPES:
            marks = head[start::size][: len(head) // size]
            if len(marks) > 1 and set(marks) == {SYNC}:
                file.seek(0)
                return _damage(file, start, size)
    return ""


def _damage(file: BinaryIO, start: int, size: int) -> str:
    place = 0
    while block := file.read(size * PACKETS):
        packets = len(block) // size
        marks = block[start : packets * size : size]
        if marks.count(SYNC) < packets:
            first = next(at for at, mark in enumerate(marks) if mark != SYNC)
            return f"the file is damaged at byte {place + first * size}: no packet begins there"
        place += packets * size
        if len(block) % size:
            return f"the file ends {len(block) % size} bytes into a packet of {size}: it may be cut off"
    return ""
