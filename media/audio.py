"""Decode sound: one stream of a file as mono float32 at the rate that is asked for.

A block at a time, however long the file: its channels are averaged, then the rate is changed (:mod:`media.resample`). As with pictures, a
packet that does not decode is counted and passed over, and what the header promises is believed only where the container states it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from media import avi, container, priming
from media.outcome import MediaError, SoundSummary
from media.resample import Resampler, Samples, resampler
from media.resample import require as require  # for who chooses a reader

#: Containers that state how long their sound is, and do not guess it from the size of the file. MP3 does where it has a tag for it.
HEADED = frozenset({"wav", "w64", "flac", "aiff", "au", "caf", "mov"})
MP3_TAGS = (b"Xing", b"Info", b"VBRI")
#: Containers whose stamps tell of a hole in the sound: in others they are a count of packets or bytes.
STAMPED = frozenset({"matroska", "mov", "mpegts", "mpeg", "flv"})
#: Seconds between two packets that are a hole: what is shorter is rounding.
HOLE = 0.1
#: Seconds between the first packet and the second that are more than rounding: then the first one's stamp is wrong. (FFmpeg stamps the
#: first packet of a fragmented MP4 with 0 and moves all others for the film's B-frames.)
ROUNDING = 2e-3
#: Seconds of holes that are filled in one file: where there are more, the stamps are nonsense.
MOST_HOLES = 3600.0
#: An MP4 ends so much later than it says if its last packets are filled up.
FILLING = 0.1


class Sound:
    """One pass over the sound of a file, the stream that FFmpeg takes itself. Use as a context manager; iterate :meth:`chunks` once.

    Raises MediaError with state ``missing``, ``empty``, ``not_media``, ``no_audio``, ``undecodable`` or ``failed`` if there is none.
    """

    def __init__(self, path: Path | str, rate: int, how: str = "soxr") -> None:
        self.rate, self._how = rate, how
        self.start = 0.0
        self._path = Path(path)
        self._count = self._bad = self._odd = 0
        self._filled = self._peak = 0.0
        self._broken = ""
        self._due: float | None = None  # when the next packet is, by the stamps
        self._decoded = 0
        self._whole = self._finished = False
        self._container = container.open_container(path)
        try:
            self._stream = _stream(self._container)
            self.kind = container.kind(self._container)
            self.promised = self._promised()
            self._priming = priming.of(self.kind, self._stream.codec_context.name)
        except BaseException:
            self._container.close()
            raise

    def __enter__(self) -> Sound:
        return self

    def __exit__(self, *exc: object) -> None:
        self._container.close()

    def chunks(self, seconds: float = 0.0) -> Iterator[Samples]:
        """Samples (n,) in -1..1, some at a time; of the first ``seconds`` if that is not 0. Louder ones are cut off."""
        most = round(seconds * self.rate)
        for block in self._unfilled():
            rest = block if not most else block[: most - self._count]
            self._count += len(rest)
            kept = np.clip(rest, -1.0, 1.0)
            self._peak = max(self._peak, float(np.abs(kept).max(initial=0.0)))
            yield kept
            if most and self._count == most:
                self._finished = True
                return
        self._whole = self._finished = True

    def summary(self) -> SoundSummary:
        """The facts so far; complete after :meth:`chunks` is exhausted."""
        context = self._stream.codec_context
        return SoundSummary(
            count=self._count,
            rate=self.rate,
            start=self.start,
            codec=context.name,
            source_rate=context.sample_rate,
            channels=context.channels,
            promised=self.promised if self._whole else None,
            filled=round(self._filled, 6),
            bad=self._bad,
            odd=self._odd,
            broken=self._broken,
            peak=round(self._peak, 6) if self._finished else None,
        )

    def _promised(self) -> float | None:
        """Seconds of sound that the container states, or None."""
        if not self._stream.duration or not (self.kind in HEADED or (self.kind == "mp3" and _has_tag(self._path))):
            return None
        return float(self._stream.duration * self._stream.time_base)

    def _unfilled(self) -> Iterator[Samples]:
        """All samples, less those with which an encoder filled the last packets of an MP4."""
        if self.kind != "mov" or self.promised is None:
            yield from self._resampled()
            return
        end, done, beyond = round(self.promised * self.rate), 0, np.zeros(0, np.float32)
        for block in self._resampled():
            here = max(0, min(len(block), end - done))
            done += len(block)
            yield block[:here]
            beyond = np.concatenate([beyond, block[here:]])
            if len(beyond) > FILLING * self.rate:  # it says too little
                yield beyond
                end, beyond = done + (1 << 62), beyond[:0]

    def _resampled(self) -> Iterator[Samples]:
        changed: Resampler | None = None
        given = 0
        for rate, block in self._blocks():
            if given != rate or changed is None:
                yield from changed.rest() if changed is not None else ()
                changed, given = resampler(self._how, rate, self.rate), rate
            yield from changed.more(block)
        yield from changed.rest() if changed is not None else ()

    def _blocks(self) -> Iterator[tuple[int, Samples]]:
        """(rate, samples) as decoded, without what an encoder put in front, with silence where stamps tell of a hole."""
        before = self._priming.samples
        for frame in self._frames():
            rate = frame.sample_rate
            for size in _pieces(round(self._hole(frame) * rate), rate):
                yield rate, np.zeros(size, np.float32)
            block = _mono(frame)[before:]
            before = max(0, before - frame.samples)
            finite = np.isfinite(block)
            if not finite.all():
                self._odd += int((~finite).sum())
                block = np.where(finite, block, np.float32(0))
            if len(block):
                yield rate, block

    def _frames(self) -> Iterator[Any]:
        try:
            for packet in self._container.demux(self._stream):
                if packet.size:
                    yield from self._decode(packet)
        except FFmpegError as error:
            self._broken = container.reason(error)
        yield from self._decode(None)
        check = avi.cut_off if self.kind == "avi" else partial(container.structure, kind=self.kind)  # a film counts its pictures instead
        self._broken = self._broken or check(self._path)

    def _decode(self, packet: Any) -> list[Any]:
        """What a packet gives (None: what is left); one that does not decode, or that the container marks as corrupt, is counted."""
        marked = packet is not None and packet.is_corrupt
        try:
            frames = list(self._stream.codec_context.decode(packet))
        except FFmpegError:
            frames, marked = [], True
        self._bad += marked
        return frames

    def _hole(self, frame: Any) -> float:
        """Seconds of silence before ``frame``."""
        stamp = None if frame.pts is None else float(frame.pts * frame.time_base)
        if self._due is None:
            self.start = self._begins(stamp, frame.sample_rate)
            self._due = stamp or 0.0
        gap = 0.0 if stamp is None or self.kind not in STAMPED else stamp - self._due
        if abs(gap) <= HOLE:
            if self._decoded == 1 and abs(gap) > ROUNDING:
                self.start = round(self.start + gap, 6)
                self._due += gap
            gap = 0.0
        self._decoded += 1
        self._due += gap + frame.samples / frame.sample_rate
        if gap <= 0 or self._filled + gap > MOST_HOLES:
            return 0.0
        self._filled += gap
        return gap

    def _begins(self, stamp: float | None, rate: int) -> float:
        """Seconds of the first sample on the clock of the pictures."""
        if self.kind == "avi":
            return priming.moved(self._path, self._container, self._priming, rate) + (stamp or 0.0)
        begin = float(Fraction(self._container.start_time or 0, av.time_base))
        return 0.0 if stamp is None else round(stamp - begin, 6) + 0.0


class Recording(NamedTuple):
    """The sound of a file: the facts, and int16 samples (N,): 32768 times what :meth:`Sound.chunks` gives."""

    summary: SoundSummary
    samples: npt.NDArray[np.int16]


def read_sound(path: Path | str, rate: int, seconds: float = 0.0, how: str = "soxr") -> Recording:
    """The sound of a file, or of its first ``seconds``, in 16 bits. Raises MediaError like :class:`Sound`, and if nothing decodes.

    how: of :data:`media.resample.RESAMPLERS`.

    16 bits are half of float32 and lose nothing of 16-bit PCM at the same rate; their noise, 98 dB down, is below that of lossy codecs.
    """
    with Sound(path, rate, how) as sound:
        blocks = [np.clip(np.rint(chunk * 32768), -32768, 32767).astype(np.int16) for chunk in sound.chunks(seconds)]
        summary = sound.summary()
    if summary.count == 0:
        raise MediaError("undecodable", summary.verdict()[1] or "the sound stream holds no sample")
    return Recording(summary, np.concatenate(blocks))


def _stream(opened: Any) -> Any:
    streams = opened.streams.audio
    if not streams:
        kinds = sorted({s.type for s in opened.streams} & {"video", "subtitle"})
        if not kinds:
            raise MediaError("not_media", "a container without a stream that can be read: it may be cut off or damaged")
        raise MediaError("no_audio", f"no sound stream, only {', '.join(kinds)}")
    decodable = [s for s in streams if s.codec_context is not None]
    if not decodable:
        raise MediaError("undecodable", "no decoder for the sound stream's codec")
    best = opened.streams.best("audio")
    return best if best in decodable else decodable[0]


def _has_tag(path: Path) -> bool:
    """Does an MP3 begin with a frame that says how many there are?"""
    with path.open("rb") as file:
        head = file.read(10)
        skip = 0
        if head[:3] == b"ID3":
            skip = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        file.seek(skip)
        first = file.read(256)
    return any(tag in first for tag in MP3_TAGS)


def _mono(frame: Any) -> Samples:
    """The mean of the channels, summed in float64: the same bits whatever the processor."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    with np.errstate(invalid="ignore", over="ignore"):  # a float file may hold anything
        mean = samples.mean(axis=0, dtype=np.float64)
        if samples.dtype == np.uint8:
            mean = (mean - 128) / 128
        elif samples.dtype.kind == "i":
            mean = mean / -float(np.iinfo(samples.dtype).min)
        return mean.astype(np.float32)  # type: ignore[no-any-return]


def _pieces(total: int, size: int) -> Iterator[int]:
    for done in range(0, total, size):
        yield min(size, total - done)
