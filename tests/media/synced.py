"""Films with a flash and a chirp at one instant, written by PyAV's muxers, and when each of them is found again."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from media.audio import Recording, read_sound
from media.decode import read_frames

SECONDS, CHIRP, LOUD = 2.0, 0.06, 0.7


@dataclass(frozen=True)
class Film:
    """How a film is muxed; times in seconds. ``video``: a codec, "" for sound alone."""

    name: str
    audio: str
    video: str = "libx264"
    fps: int = 10
    bframes: int = 0
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    rate: int = 44_100
    channels: int = 1
    audio_start: float = 0.0
    video_start: float = 0.0
    at: float = 1.0


def chirp(rate: int) -> np.ndarray:
    """From 500 Hz to 4 kHz: its place is found to a fraction of a sample."""
    t = np.arange(round(CHIRP * rate)) / rate
    return LOUD * np.sin(2 * np.pi * (500 * t + 3500 / CHIRP * t * t / 2)) * np.hanning(len(t))


def make(folder: Path, film: Film) -> Path:
    """Write a film: black but for one white picture, silent but for the chirp."""
    path = folder / film.name
    with av.open(str(path), "w", format=film.format, options=film.options) as out:
        streams = [_pictures(out, film)] if film.video else []
        streams.append(_sound(out, film))
        for _, stream, frame in heapq.merge(*(frames for _, frames in streams), key=lambda one: one[0]):
            out.mux(stream.encode(frame))
        for stream, _ in streams:
            out.mux(stream.encode(None))
    return path


def _pictures(out: Any, film: Film) -> tuple[Any, Iterator[tuple[float, Any, Any]]]:
    stream = out.add_stream(film.video, rate=film.fps, options={"bf": str(film.bframes)} if film.video in ("libx264", "mpeg4") else {})
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p" if film.video == "mjpeg" else "yuv420p"

    def frames() -> Iterator[tuple[float, Any, Any]]:
        first, white = round(film.video_start * film.fps), round(film.at * film.fps)
        for number in range(first, first + round(SECONDS * film.fps)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255 * (number == white), np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, film.fps)
            yield number / film.fps, stream, frame

    return stream, frames()


def _sound(out: Any, film: Film) -> tuple[Any, Iterator[tuple[float, Any, Any]]]:
    layout = {1: "mono", 2: "stereo"}[film.channels]
    experimental = {"strict": "-2"} if film.audio == "vorbis" else {}
    stream = out.add_stream(film.audio, rate=film.rate, layout=layout, options=experimental)
    if film.audio.startswith("wma"):
        stream.codec_context.bit_rate = 64_000
    wave = np.zeros(round(SECONDS * film.rate), np.float32)
    first, sound = round((film.at - film.audio_start) * film.rate), chirp(film.rate)
    wave[first : first + len(sound)] = sound

    def frames() -> Iterator[tuple[float, Any, Any]]:
        convert = av.AudioResampler(format=stream.codec_context.format.name, layout=layout, rate=film.rate)
        size = stream.codec_context.frame_size or 1024
        for done in range(0, len(wave), size):
            block = np.repeat(wave[None, done : done + size], film.channels, axis=0)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
            frame.sample_rate, frame.time_base = film.rate, Fraction(1, film.rate)
            frame.pts = done + round(film.audio_start * film.rate)
            yield from ((done / film.rate, stream, made) for made in convert.resample(frame))

    return stream, frames()


def heard(path: Path, rate: int = 16_000, how: str = "soxr") -> tuple[float, Recording]:
    """When the chirp is heard, in seconds on the clock of the file, and the sound."""
    found = read_sound(path, rate, how=how)
    likeness = np.abs(np.correlate(found.samples / 32768, chirp(rate), "valid"))
    place = int(likeness.argmax())
    before, here, after = likeness[place - 1 : place + 2]
    return found.summary.start + (place + 0.5 * (before - after) / (before - 2 * here + after)) / rate, found


def flashed(path: Path) -> float:
    """When the white picture is shown."""
    return next(frame.time for frame in read_frames(path) if frame.image.mean() > 128)
