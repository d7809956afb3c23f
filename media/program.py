"""Is an MPEG program stream (.mpg, .vob) cut off or broken? It has no length, but it is a chain of packets that say how long they are, and
FFmpeg looks for the next one in silence (ISO/IEC 13818-1, 2.5.3; the older packs of ISO/IEC 11172-1, 2.4.3).
"""

from __future__ import annotations

import os
from pathlib import Path

PREFIX = b"\0\0\1"
PACK = 0xBA
END = 0xB9
#: Start codes below this are of a video stream, not of the chain.
LOWEST = 0xB9
#: Of a packet, its start code and length; of a pack, all that is needed to know its own.
HEAD = 14
#: Zeros between packets are passed over, so much at a time.
BLOCK = 1 << 16


def damage(path: Path) -> str:
    """What is wrong with the chain of packets, or ""; reads the head of every packet, and no picture."""
    with path.open("rb") as file:
        descriptor = file.fileno()
        end = os.fstat(descriptor).st_size
        if os.pread(descriptor, 4, 0) != PREFIX + bytes([PACK]):
            return ""
        place = 0
        while place < end:
            head = os.pread(descriptor, HEAD, place)
            length = _length(head)
            if length and place + length > end:
                return f"the file ends {end - place} bytes into a packet of {length}: it may be cut off"
            if not length:
                begin = _after_zeros(descriptor, place, end)
                if begin == place:
                    cut = end - place < 4 and PREFIX.startswith(head[:3])
                    where = "it may be cut off" if cut else "no packet begins there"
                    return f"the file is damaged at byte {place}: {where}"
                length = begin - place
            place += length
    return ""


def _length(head: bytes) -> int:
    """Bytes of the packet that begins so; 0 if none does. A head that the end of the file cuts short counts as longer than the file."""
    if len(head) < 4 or head[:3] != PREFIX or head[3] < LOWEST:
        return 0
    if head[3] == END:
        return 4
    if head[3] != PACK:
        return 6 + int.from_bytes(head[4:6], "big") if len(head) >= 6 else 6
    if len(head) < 5 or head[4] >> 4 == 0b0010:
        return 12
    if head[4] >> 6 != 0b01:
        return 0
    return 14 + (head[13] & 7) if len(head) >= 14 else 14


def _after_zeros(file: int, place: int, end: int) -> int:
    """Where the next packet begins if there are only zeros up to it, or the end of the file; else ``place``."""
    at = place
    while at < end:
        block = os.pread(file, BLOCK, at)
        rest = block.lstrip(b"\0")
        at += len(block) - len(rest)
        if rest:
            begin = at - 2  # the zeros of its own start code
            return begin if rest[0] == 1 and begin > place and _length(os.pread(file, HEAD, begin)) else place
    return end
