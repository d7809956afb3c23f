"""When the pictures of an AVI are shown, and how many of its chunks hold none.

AVI stores no times: a stream is a row of chunks, and chunk n is shown at n / rate. A chunk without bytes shows the picture before it
once more; capture programs write them for frames that they dropped. Chunks stand in coding order, so with B-frames the picture that is
shown n-th is not the one in the n-th chunk with bytes, but it is shown at that chunk's time. FFmpeg gives the number of the chunk as a
packet's decoding stamp, passes over those without bytes, and guesses the presentation stamps, by codec: some are late by one,
some go back and forth.
"""

from __future__ import annotations

import itertools
import os
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RIFF, LIST = b"RIFF", b"LIST"
#: Lists that hold chunks of streams.
HOLDERS = frozenset({b"AVI ", b"AVIX", b"movi", b"rec "})
#: Of a chunk, its name and size; of a list, also its kind.
HEAD, LIST_HEAD = 8, 12


class Clock:
    """Gives the pictures, which come in the order in which they are shown, the stamps of the chunks in their own order.

    ASF has such stamps too: one a packet, in coding order.
    """

    def __init__(self) -> None:
        self._waiting: deque[int] = deque()  # chunks whose time no picture has been given yet
        self._chunks: dict[int, int] = {}  # of what was sent to the decoder, by the stamp that its picture will carry

    def sent(self, packet: Any) -> None:
        """A packet with bytes goes to the decoder."""
        if packet.dts is not None:
            self._waiting.append(packet.dts)
            self._chunks[packet.pts] = packet.dts

    def lost(self, packet: Any) -> None:
        """No picture comes of it; but where a stream ends so, FFmpeg shows the last picture again."""
        if packet.dts in self._waiting:
            self._waiting.remove(packet.dts)

    def shown(self, picture: Any, reordered: bool) -> int | None:
        """The stamp of the next picture, in the stream's time base, or None if there were fewer chunks than pictures.

        Unless pictures are ``reordered`` a picture has the stamp of its own chunk, so that one that is lost in silence shifts no other.
        """
        chunk = self._chunks.pop(picture.pts, None)
        while not reordered and chunk is not None and self._waiting and self._waiting[0] < chunk:
            self._waiting.popleft()
        return self._waiting.popleft() if self._waiting else chunk


def empty_chunks(path: Path, stream: int) -> int:
    """Chunks of a stream that hold no bytes; reads the head of every chunk. What comes after damage is not looked at."""
    return sum(size == 0 for size in _pictures(path, stream))


def empty_after_first(path: Path, stream: int, most: int) -> int:
    """How many chunks of a stream hold no bytes between its first picture and the next one, ``most`` at most.

    FFmpeg's muxer writes the first picture of a film that begins late into the first chunk, and then as many empty ones as it is late.
    """
    sizes = itertools.islice(_pictures(path, stream), 1, most + 1)
    return sum(1 for _ in itertools.takewhile(lambda size: size == 0, sizes))


def _pictures(path: Path, stream: int) -> Iterator[int]:
    """The sizes of the chunks of a stream of pictures."""
    mark = b"%02d" % stream
    with path.open("rb") as file:
        descriptor = file.fileno()
        end = os.fstat(descriptor).st_size
        place = 0
        while place + HEAD <= end:
            head = os.pread(descriptor, LIST_HEAD, place)
            name, size = struct.unpack_from("<4sI", head)
            if name in (RIFF, LIST) and head[HEAD:] in HOLDERS:
                place += LIST_HEAD  # its chunks come next
                continue
            if name[:2] == mark and name[2:] in (b"dc", b"db"):
                yield size
            place += HEAD + size + size % 2


def cut_off(path: Path) -> str:
    """Whether the file ends before the lists that hold its chunks do, or ""; that the index behind them is lost does no harm."""
    with path.open("rb") as file:
        descriptor = file.fileno()
        end = os.fstat(descriptor).st_size
        place = 0
        while place + LIST_HEAD <= end:
            head = os.pread(descriptor, LIST_HEAD, place)
            name, size = struct.unpack_from("<4sI", head)
            if name == RIFF:
                place += LIST_HEAD
                continue
            place += HEAD + size + size % 2
            if head[HEAD:] == b"movi" and place > end:
                return f"the file ends {place - end} bytes before its chunks do: it may be cut off"
    return ""
