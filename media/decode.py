"""Decode video (PyAV, FFmpeg's libraries).

Frames come as RGB in presentation order, numbered 0, 1, 2 ... without gaps, upright, with their time from the
presentation time stamps. Nothing is ever taken from the header that can be counted. A packet that does not decode is
counted and passed over: what can be saved is. Memory holds one frame and all times, however long the video.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.reformatter import Interpolation, VideoReformatter

from media import avi, container, orientation
from media.film import film
from media.orientation import Orientation
from media.outcome import MediaError, Summary
from media.side_data import display_matrix

#: With these flags swscale gives the same bytes with and without SIMD, and chroma at full resolution.
SWSCALE = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.BITEXACT
#: Above this, a header's frame count is taken for nonsense (38 days at 30 fps).
LARGEST_COUNT = 100_000_000
#: Pictures above this are refused by the decoder (a header of 30 bytes can ask for gigabytes).
LARGEST_PICTURE = 1 << 26

#: Containers that store one time a packet, in coding order: a decoding stamp. FFmpeg guesses the presentation stamps.
CODING_ORDER = frozenset({"avi", "asf"})
#: MPEG-1 and MPEG-2 alone: there are no times, and those that FFmpeg makes up are late and have gaps.
UNTIMED = frozenset({"mpegvideo"})

#: An MPEG-4 picture of at most so many bytes that gives none is one that says "as before" (a ``vop`` that is not coded).
UNCODED = 19
UNCODED_HEAD, PREDICTED = b"\0\0\1\xb6", 0b01

T = TypeVar("T")
#: Told how many frames there are and their times, gives the numbers of those to read; None: not without the times.
Choose = Callable[[int, Sequence[float] | None], Collection[int] | None]


class Frame(NamedTuple):
    """One frame: its number from 0, its time in seconds since the container's start, RGB uint8 (H, W, 3)."""

    number: int
    time: float
    image: npt.NDArray[np.uint8]


class Place(NamedTuple):
    """A frame without its picture: its time as in :class:`Frame`, its own stamp in seconds on the file's clock, if it has one,
    how it is turned upright, and its width and height then."""

    time: float
    stamp: float | None
    turn: Orientation
    size: tuple[int, int]


class Video:
    """One pass over the film of a file, as :func:`media.film.film` chooses it. Use as a context manager; iterate :meth:`frames` or
    :meth:`places` once.

    ``threads`` is the number of threads of the decoder; it never changes the frames. ``index`` is the number of the stream among all
    of the container. Raises MediaError with state ``missing``, ``empty``, ``not_media``, ``no_video``, ``undecodable`` or ``failed`` if
    the file cannot be opened.
    """

    def __init__(self, path: Path | str, *, threads: int = 1) -> None:
        self.count = 0
        self._bad = self._corrupt = 0
        self._start: Any = None  # the first packet
        self._headless = False
        self._broken = ""
        self._size = (0, 0)
        self._time = 0.0
        self.times = array("d")  # of the frames so far, as in Frame
        self._rgb = VideoReformatter()
        self._path = Path(path)
        self._container = container.open_container(path)
        try:
            self._stream = film(self._container)
            self._stream.codec_context.options = {"max_pixels": str(LARGEST_PICTURE)}
            self._stream.codec_context.thread_count = max(1, threads)
            # Slices, not frames: with frame threads, errors surface packets later, at a place that depends on the count.
            self._stream.codec_context.thread_type = "SLICE"
            self.index = int(self._stream.index)
            self._clock = avi.Clock() if self.container in CODING_ORDER else None
            self._hidden = self._hidden_frames()
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *exc: object) -> None:
        self._container.close()

    @property
    def header_count(self) -> int | None:
        """Frames that the container promises, or None where it does not say."""
        promised = self._stream.frames
        return promised if 0 < promised <= LARGEST_COUNT else None

    @property
    def container(self) -> str:
        """The container's kind, as FFmpeg names it: ``"mov"``, ``"avi"``, ``"matroska"``, ``"mpegts"`` ..."""
        return container.kind(self._container)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame as shown; (0, 0) before it is decoded."""
        return self._size

    @property
    def audio(self) -> str:
        """The codec of the first sound stream, or "" if there is none."""
        streams = self._container.streams.audio
        return (streams[0].codec_context.name if streams[0].codec_context is not None else "unknown") if streams else ""

    def structure(self) -> str:
        """What is broken in the container's structure that FFmpeg passes over in silence, or ""; decodes nothing."""
        return container.structure(self._path, self.container)

    @property
    def promised(self) -> int | None:
        """The same, less the frames that an edit list hides and those without bytes, as far as they are known yet."""
        return None if self.header_count is None else self.header_count - self._hidden

    def frames(self, wanted: Collection[int] | None = None) -> Iterator[Frame]:
        """Decode everything; yield the frames whose numbers are in ``wanted`` (None: all). Only those are converted."""
        for picture in self._counted():
            number = self.count - 1
            if wanted is None or number in wanted:
                yield Frame(number, self._time, self._image(picture))

    def places(self) -> Iterator[Place]:
        """Decode everything and convert nothing."""
        for picture in self._counted():
            stamp = None if picture.pts is None else float(picture.pts * self._stream.time_base)
            turn = self._orientation(picture)
            yield Place(self._time, stamp, turn, turn.size(picture.width, picture.height))

    def summary(self) -> Summary:
        """The facts so far; complete after :meth:`frames` is exhausted."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return Summary(
            count=self.count,
            width=self._size[0],
            height=self._size[1],
            rate=float(rate) if rate else None,
            header=self.header_count,
            codec=self._stream.codec_context.name,
            hidden=self._hidden,
            bad=self._bad,
            corrupt=self._corrupt,
            broken=self._broken,
            headless=self._headless,
        )

    def _hidden_frames(self) -> int:
        """Frames that the header counts and nobody is shown: chunks of an AVI without bytes, and what an edit list leaves out of an MP4,
        whose header counts what is stored, while its index holds what is shown."""
        if self.header_count is None or self.container not in ("avi", "mov"):
            return 0
        if self.container == "avi":
            return avi.empty_chunks(self._path, self.index)
        shown = sum(not entry.is_discard for entry in self._stream.index_entries)
        if shown in (0, self.header_count):
            return 0
        # A damaged index is shorter than the header says too: what counts is the difference that the edit list makes.
        with container.open_container(self._path, ignore_editlist="1") as whole:
            return len(whole.streams[self.index].index_entries) - shown

    def _begins_late(self, picture: Any) -> bool:
        """Is ``picture``, the first, not made from a key frame at the beginning? Some containers lose the mark of a key frame."""
        first = self._start
        return first is not None and not first.is_keyframe and not (picture.key_frame and picture.pts == first.pts)

    def _counted(self) -> Iterator[Any]:
        """Every picture, once what is known of it is noted: ``count``, the time, and of the first the size."""
        for picture in self._pictures():
            number = self.count
            self.count += 1
            self._corrupt += bool(picture.is_corrupt)
            self._time = self._time_of(picture, number)
            self.times.append(self._time)
            if number == 0:
                self._headless = self._begins_late(picture)
                self._size = self._orientation(picture).size(picture.width, picture.height)
            yield picture

    def _pictures(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux(self._stream):
                yield from self._of(packet)
        except FFmpegError as error:
            self._broken = container.reason(error)
        last = self._decode(None)
        self._bad += last is None
        yield from last or ()
        self._broken = self._broken or self.structure()

    def _of(self, packet: Any) -> list[Any]:
        """The pictures that the decoder gives for a packet. One without bytes says "the same picture again": it makes none, and a decoder
        would take it for an error or for the end."""
        self._bad += packet.is_corrupt
        if not packet.size:
            self._hidden += packet.dts is not None  # else it is PyAV's mark of the end
            return []
        first = self._start is None
        if first:
            self._start = packet
        if self._clock is not None:
            self._clock.sent(packet)
        pictures = self._decode(packet)
        self._bad += pictures is None and not packet.is_corrupt
        same = pictures == [] and not first and self._uncoded(packet)
        self._hidden += same
        if self._clock is not None and (pictures is None or same):
            self._clock.lost(packet)
        return pictures or []

    def _decode(self, packet: Any) -> list[Any] | None:
        """The pictures that come of a packet (None: the last ones), or None if it does not decode."""
        try:
            return list(self._stream.codec_context.decode(packet))
        except FFmpegError:
            return None

    def _uncoded(self, packet: Any) -> bool:
        """Is a packet that gave no picture an MPEG-4 picture that says "as before"?"""
        if self._stream.codec_context.name != "mpeg4" or packet.size > UNCODED:
            return False
        data = bytes(packet)
        return data.startswith(UNCODED_HEAD) and data[len(UNCODED_HEAD)] >> 6 == PREDICTED

    def _time_of(self, picture: Any, number: int) -> float:
        if self._clock is not None:
            stamp = self._clock.shown(picture, self._stream.codec_context.has_b_frames)
        else:
            stamp = picture.pts if picture.pts is not None else picture.dts
        if self.container in UNTIMED:
            stamp = None
        rate = self._stream.average_rate or self._stream.guessed_rate
        if stamp is None:
            return max(self._time, float(number / rate)) if rate else self._time
        start = Fraction(self._container.start_time or 0, av.time_base)
        seconds = round(float(stamp * self._stream.time_base - start), 6) + 0.0  # the start is in microseconds; no minus zero
        return seconds if number == 0 else max(seconds, self._time)

    def _orientation(self, picture: Any) -> Orientation:
        matrix = display_matrix(picture)
        if matrix is not None:
            return orientation.from_matrix(matrix)
        return orientation.from_degrees(self._stream.metadata.get("rotate", "0"))

    def _image(self, picture: Any) -> npt.NDArray[np.uint8]:
        try:
            rgb = self._rgb.reformat(picture, format="rgb24", interpolation=SWSCALE, threads=1).to_ndarray()
        except (FFmpegError, ValueError) as error:
            raise MediaError("undecodable", f"pixels of format {picture.format.name} do not convert to RGB") from error
        return self._orientation(picture).apply(cast(npt.NDArray[np.uint8], rgb))


def probe(path: Path | str) -> Summary:
    """Read the header and the first frame: ``count`` is 1, or 0 if no frame decodes. Raises MediaError like :class:`Video`."""
    with Video(path) as video:
        for _ in video.frames():
            break
        return video.summary()


def count_frames(path: Path | str, *, threads: int = 1) -> Summary:
    """Decode everything and keep nothing. Raises MediaError also if not one frame decodes (``undecodable``)."""
    return read_chosen(path, lambda count, times: (), lambda frame: None, threads=threads)[0]


def read_frames(path: Path | str, wanted: Collection[int] | None = None, *, threads: int = 1) -> Iterator[Frame]:
    """Yield the frames whose numbers are in ``wanted``, or all of them, in order. Raises MediaError like :class:`Video`."""
    with Video(path, threads=threads) as video:
        yield from video.frames(wanted)


def read_chosen(path: Path | str, choose: Choose, keep: Callable[[Frame], T], *, threads: int = 1) -> tuple[Summary, dict[int, T]]:
    """Read the frames that ``choose`` names once it is told how many there are; return the facts and {number: keep(frame)}.

    The number of frames and their times are known only after decoding them all. The header's count serves as a guess: where it proves
    right, as it mostly does, and ``choose`` needs no times, one pass is enough; otherwise a second pass reads the right frames.
    Raises MediaError if nothing can be used.
    """
    with Video(path, threads=threads) as video:
        guess = video.promised or 0
        wanted = choose(guess, None) if guess > 0 else None
        kept = {frame.number: keep(frame) for frame in video.frames(frozenset(wanted or ()))}
        summary, times = video.summary(), video.times
    if summary.count == 0:
        raise MediaError("undecodable", summary.verdict()[1] or "the video stream holds no frame")
    if wanted is None or summary.count != guess:
        wanted = choose(summary.count, times) or ()
        again = read_frames(path, frozenset(wanted), threads=threads) if wanted else ()
        kept = {frame.number: keep(frame) for frame in again}
    return summary, kept
