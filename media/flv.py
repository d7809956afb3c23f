"""Is an FLV file whole? FFmpeg looks for the next tag in silence where one is broken, and takes a file that ends between two for whole.

The file is a header and a chain of tags (Adobe Flash Video File Format Specification 10.1, annex E): type, 24 bits of length, time,
a stream id that is always 0, body, and once more the length of all that. The first tag mostly tells the size of the whole file.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

MARK = b"FLV"
#: Audio, video, script data; a sixth bit says that the body is encrypted.
TYPES = frozenset({8, 9, 18, 40, 41, 50})
#: Of a tag, what stands before its body, and after it.
HEAD, TAIL = 11, 4
#: Where the first tag may speak of the file's size, and how: the name, then the type and the number (AMF0, big-endian).
TOLD = 4096
SIZE = b"\x00\x08filesize\x00"


def damage(path: Path) -> str:
    """What is wrong with the chain of tags, or ""; reads the head of every tag, and no picture."""
    with path.open("rb") as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size
        head = os.pread(descriptor, TOLD, 0)
        if len(head) < 9 or not head.startswith(MARK):
            return ""
        told = _told(head)
        if told > size:
            return f"the last {told - size} bytes of the file are not there"
        return _chain(descriptor, int.from_bytes(head[5:9], "big") + TAIL, size)


def _told(head: bytes) -> int:
    """The size of the file by its own account; 0 if it says nothing that can be."""
    place = head.find(SIZE)
    number = head[place + len(SIZE) :][:8]
    if place < 0 or len(number) < 8:
        return 0
    value = struct.unpack(">d", number)[0]
    return int(value) if 0 < value < 1 << 62 else 0


def _chain(file: int, place: int, end: int) -> str:
    while place < end:
        head = os.pread(file, HEAD, place)
        following = place + HEAD + int.from_bytes(head[1:4], "big") + TAIL
        if len(head) < HEAD or (following - TAIL > end and _begins(head)):
            return f"the file ends {end - place} bytes into a tag: it may be cut off"
        if not _begins(head) and not _confirmed(file, place, following, end):
            return f"the file is damaged at byte {place}: no tag begins there"
        place = following
    return ""


def _begins(head: bytes) -> bool:
    return head[0] in TYPES and head[8:11] == b"\0\0\0"


def _confirmed(file: int, place: int, following: int, end: int) -> bool:
    """Is a tag of an unknown type as long as it says once more at its end?"""
    return following <= end and int.from_bytes(os.pread(file, TAIL, following - TAIL), "big") == following - TAIL - place
