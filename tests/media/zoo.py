"""A zoo of bad and odd media files, generated: what each one is, and what a decode of it must give.

Every picture carries its number as eight bars, so that a frame that comes too early, too late, twice or not at all is seen in the pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE = 10
COUNT = 20


@dataclass(frozen=True)
class Animal:
    """One file: how it is made and what comes of it.

    numbers: the numbers drawn into the frames that decode, in order. times: of the first and the last of them, in seconds.
    sure:    of a damaged file, how many leading frames are as ``numbers`` says whatever the decoder saves (None: all, exactly).
    says:    what the reason must hold.
    """

    odd: str
    make: Callable[[Path], object]
    state: str = "ok"
    numbers: Sequence[int] = range(COUNT)
    times: tuple[float, float] = (0.0, (COUNT - 1) / RATE)
    size: tuple[int, int] = (64, 48)
    sure: int | None = None
    says: str = ""


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """Eight bars, white for a bit that is set, the lowest bit to the left; the bottom quarter is grey, so that up is known."""
    image = np.zeros((height, width, 3), np.uint8)
    for bit in range(8):
        image[:, bit * width // 8 : (bit + 1) * width // 8] = 255 * (number >> bit & 1)
    image[height * 3 // 4 :] = 128
    return image


def number_of(image: np.ndarray) -> int:
    """The number that :func:`picture` drew. Raises ValueError if a bar is neither black nor white, or up is not up."""
    height, width = image.shape[:2]
    number = 0
    for bit in range(8):
        left, right = bit * width // 8, (bit + 1) * width // 8
        bar = float(image[height // 8 : height * 5 // 8, left + 1 : right - 1].mean())
        if 70 < bar < 185:
            raise ValueError(f"bar {bit} is {bar:.0f}")
        number |= (bar > 127) << bit
    floor = float(image[height * 7 // 8 :].mean())
    if not 100 < floor < 156:
        raise ValueError(f"the floor is {floor:.0f}")
    return number


def write(
    path: Path,
    numbers: Iterable[int] = range(COUNT),
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (64, 48),
    rate: Fraction | int = RATE,
    stamps: Sequence[int] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    turn: Callable[[np.ndarray], np.ndarray] = lambda image: image,
    prepare: Callable[[Any], None] = lambda stream: None,
    change: Callable[[list[Any]], list[Any]] = lambda packets: packets,
    format: str | None = None,
) -> Path:
    """Write the pictures of ``numbers``; ``stamps`` in 1/rate s; ``turn`` is done to each picture, ``change`` to the list of packets."""
    with av.open(str(path), "w", options=container or {}, format=format) as out:
        stream = out.add_stream(codec, rate=rate)
        shape = turn(picture(0, *size)).shape
        stream.width, stream.height, stream.pix_fmt = shape[1], shape[0], pix_fmt
        stream.codec_context.thread_count = 1
        stream.codec_context.options = {"g": "5", **(options or {})}
        if codec in ("mpeg4", "mpeg2video", "mjpeg"):
            stream.codec_context.qmin = stream.codec_context.qmax = 2
        prepare(stream)
        packets: list[Any] = []
        for at, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(turn(picture(number, *size))))
            frame.pts, frame.time_base = (stamps[at] if stamps else at), 1 / Fraction(rate)
            packets += stream.encode(frame)
        for packet in change(packets + stream.encode(None)):
            out.mux(packet)
    return path


def silence(path: Path, cover: bool = False) -> Path:
    """Sound alone, with a cover picture if asked for."""
    with av.open(str(path), "w") as out:
        codec = {".mp3": "libmp3lame"}.get(path.suffix, "aac")
        sound = out.add_stream(codec, rate=16000, layout="mono")
        art = None
        if cover:
            art = out.add_stream("mjpeg")
            art.width, art.height, art.pix_fmt = 64, 48, "yuvj420p"
            art.disposition = av.stream.Disposition.attached_pic
        for _ in range(20):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 16000
            out.mux(sound.encode(frame))
        out.mux(sound.encode(None))
        if art is not None:
            out.mux(art.encode(av.VideoFrame.from_ndarray(picture(0)).reformat(format="yuvj420p")))
            out.mux(art.encode(None))
    return path


def cut(path: Path, share: float, **more: Any) -> None:
    """A file of which only the first part is there."""
    data = write(path, **more).read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def patch(path: Path, mark: bytes, offset: int, value: bytes, *, last: bool = False) -> None:
    """Put ``value`` ``offset`` bytes after ``mark``."""
    data = bytearray(path.read_bytes())
    place = (data.rindex(mark) if last else data.index(mark)) + offset
    data[place : place + len(value)] = value
    path.write_bytes(data)


def turned(path: Path, matrix: tuple[int, int, int, int], turn: Callable[[np.ndarray], np.ndarray]) -> None:
    """Pictures stored as ``turn`` makes them, with the display matrix that undoes it."""
    write(path, turn=turn)
    a, b, c, d = (value << 16 for value in matrix)
    patch(path, b"tkhd", 4 + 40, struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30))


def two_streams(path: Path) -> None:
    """Pictures 0.. in the first stream, 100.. in a second, larger one."""
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=RATE) for _ in range(2)]
        for stream, (width, height) in zip(streams, ((64, 48), (128, 96)), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(COUNT):
            for stream, more, size in zip(streams, (0, 100), ((64, 48), (128, 96)), strict=True):
                frame = av.VideoFrame.from_ndarray(picture(number + more, *size))
                frame.pts = number
                out.mux(stream.encode(frame))
        for stream in streams:
            out.mux(stream.encode(None))


def flipped(path: Path, share: float = 0.5, **more: Any) -> None:
    """Sixty bytes at ``share`` of the file are inverted."""
    data = bytearray(write(path, **more).read_bytes())
    middle = int(len(data) * share)
    data[middle : middle + 60] = bytes(255 - value for value in data[middle : middle + 60])
    path.write_bytes(data)


def stamped(stamps: Sequence[int]) -> Callable[[list[Any]], list[Any]]:
    """Packets with these stamps, in the stream's own time base multiplied to frames."""

    def change(packets: list[Any]) -> list[Any]:
        for packet, stamp in zip(packets, stamps, strict=True):
            packet.pts = packet.dts = stamp
        return packets

    return change


def joined(path: Path) -> None:
    """Two recordings one after the other in one transport stream: the clock starts again."""
    parts = []
    for start in (0, 10):
        part = path.with_name(f"part{start}.ts")
        parts.append(write(part, range(start, start + 10), options={"bf": "0"}).read_bytes())
        part.unlink()
    path.write_bytes(b"".join(parts))


def rechunked(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> Path:
    """``change`` is done to the list of the first stream's chunks in an AVI; the index and the counts in the header follow."""
    data = path.read_bytes()
    place = data.index(b"movi") + 4
    head, pictures, others = data[: place - 8], [], []
    while data[place : place + 4] in (b"00dc", b"01wb"):
        size = struct.unpack("<I", data[place + 4 : place + 8])[0]
        (pictures if data[place : place + 2] == b"00" else others).append(data[place + 8 : place + 8 + size])
        place += 8 + size + size % 2
    pictures = change(pictures)
    body, index = b"movi", b""
    for name, chunks in ((b"00dc", pictures), (b"01wb", others)):
        for chunk in chunks:
            index += name + struct.pack("<III", 16, len(body), len(chunk))
            body += name + struct.pack("<I", len(chunk)) + chunk + b"\0" * (len(chunk) % 2)
    whole = bytearray(head + struct.pack("<I", len(body)) + body + b"idx1" + struct.pack("<I", len(index)) + index)
    struct.pack_into("<I", whole, 4, len(whole) - 8)
    for mark, offset in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        struct.pack_into("<I", whole, whole.index(mark) + offset, len(pictures))
    path.write_bytes(whole)
    return path


def dropped_avi(path: Path) -> None:
    """An AVI in which the chunks of frames 7 and 12 hold no bytes, as capture programs write dropped frames."""
    write(path, codec="mjpeg", pix_fmt="yuvj420p")
    rechunked(path, lambda chunks: [b"" if at in (7, 12) else chunk for at, chunk in enumerate(chunks)])


def emptied(packets: list[Any]) -> list[Any]:
    """The packets of frames 7 and 12 hold no bytes."""
    for number in (7, 12):
        packet, old = av.Packet(b""), packets[number]
        packet.stream, packet.time_base, packet.duration = old.stream, old.time_base, old.duration
        packet.pts, packet.dts = old.pts, old.dts
        packets[number] = packet
    return packets


def gapped_avi(path: Path, **more: Any) -> None:
    """An AVI with ten chunks without bytes before its third, as where a program that captured had to wait."""
    rechunked(write(path, **more), lambda chunks: [*chunks[:2], *[b""] * 10, *chunks[2:]])


def cover_first(path: Path) -> None:
    """One JPEG that nothing marks as cover art, then the film, which is marked as the default."""
    with av.open(str(path), "w") as out:
        streams = [out.add_stream(codec, rate=RATE) for codec in ("mjpeg", "libx264")]
        for stream, pix_fmt in zip(streams, ("yuvj420p", "yuv420p"), strict=True):
            stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        streams[1].disposition = av.stream.Disposition.default
        for stream, numbers in zip(streams, ([77], range(COUNT)), strict=True):
            for at, number in enumerate(numbers):
                frame = av.VideoFrame.from_ndarray(picture(number))
                frame.pts = at
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))


def headless(packets: list[Any]) -> list[Any]:
    """Packets from the third on: a copy that begins between key frames."""
    return packets[3:]


def from_second_key(packets: list[Any]) -> list[Any]:
    """Packets from the second key frame on: a copy that begins where it should."""
    return packets[[at for at, packet in enumerate(packets) if packet.is_keyframe][1] :]
