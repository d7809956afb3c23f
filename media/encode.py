"""The one writer of media files: RGB frames and samples in, a container on disk out. The same input gives the same bytes.

Encoders run with one thread and bit-exact flags, so no version string, date or scheduling reaches the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.codec.context import Flags

#: suffix -> (video codec, audio codec): what the containers of the official data sets hold.
CODECS: dict[str, tuple[str, str]] = {
    ".avi": ("mpeg4", "libmp3lame"),
    ".mp4": ("libx264", "aac"),
    ".mkv": ("libx264", "aac"),
    ".mov": ("libx264", "aac"),
    ".wav": ("", "pcm_s16le"),
}
#: codec -> options that make it fast, small enough and repeatable
OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "23", "x264-params": "threads=1:lookahead-threads=1:sliced-threads=0"},
    "mpeg4": {"mbd": "simple"},
    "libmp3lame": {"compression_level": "7"},
}


def write_video(
    path: Path,
    frames: Iterable[npt.NDArray[np.uint8]] | None,
    rate: Fraction | int,
    audio: npt.NDArray[np.float32] | None = None,
    audio_rate: int = 16000,
    *,
    video_codec: str = "",
    audio_codec: str = "",
    pixel_format: str = "yuv420p",
    gop: int = 24,
    quality: int = 4,
    options: Mapping[str, str] | None = None,
    times: Iterable[int] | None = None,
    time_base: Fraction | None = None,
) -> int:
    """Write a media file and return the number of video frames written.

    frames:  RGB pictures (H, W, 3) uint8, all of one size; ``None`` writes audio only.
    rate:    frames per second.
    audio:   mono samples (N,) in -1..1 at ``audio_rate`` Hz, or (N, channels); ``None`` writes no audio stream.
    quality: quantiser of ``mpeg4`` (1 best .. 31); the others take theirs from ``options`` (``crf``).
    options: added to the encoder's options. gop: frames between key frames.
    times:   presentation times of the frames in ``time_base`` units (variable rate); default: one frame after another.

    The container follows from the suffix, the codecs from :data:`CODECS` unless named.
    """
    default_video, default_audio = CODECS.get(path.suffix.lower(), ("libx264", "aac"))
    with av.open(str(path), "w", options={"fflags": "+bitexact", "avoid_negative_ts": "disabled"}) as container:
        pictures = iter(frames) if frames is not None else iter(())
        first = next(pictures, None)
        stream: Any = None
        sound = None
        base = time_base or 1 / Fraction(rate)
        if first is not None:
            stream = _video_stream(container, video_codec or default_video, first, Fraction(rate), pixel_format, gop, quality, options)
            stream.codec_context.time_base = base
        if audio is not None:
            sound = _Sound(container, audio_codec or default_audio, audio, audio_rate)
        stamps = iter(times) if times is not None else itertools.count()
        count = 0
        for picture in itertools.chain([first] if first is not None else [], pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = next(stamps), base
            container.mux(stream.encode(frame))
            count += 1
            if sound is not None:
                sound.write(float(frame.pts * base) + 1 / float(rate))
        if stream is not None:
            container.mux(stream.encode(None))
        if sound is not None:
            sound.write(None)
    return count


def _video_stream(
    container: Any,
    codec: str,
    picture: npt.NDArray[np.uint8],
    rate: Fraction,
    pixel_format: str,
    gop: int,
    quality: int,
    options: Mapping[str, str] | None,
) -> Any:
    stream = container.add_stream(codec, rate=rate)
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = pixel_format
    context = stream.codec_context
    context.thread_count = 1
    context.gop_size = gop
    context.max_b_frames = 0
    context.flags |= Flags.bitexact
    if codec == "mpeg4":
        context.qmin = context.qmax = quality
        context.bit_rate = 4_000_000
    context.options = {**OPTIONS.get(codec, {}), **(options or {})}
    return stream


class _Sound:
    """An audio stream that is fed along with the pictures, so that the packets come interleaved."""

    def __init__(self, container: Any, codec: str, samples: npt.NDArray[np.float32], rate: int) -> None:
        self.samples = np.atleast_2d(np.asarray(samples, np.float32).T)  # (channels, N)
        layout = {1: "mono", 2: "stereo"}[len(self.samples)]
        self.container, self.rate, self.layout, self.done = container, rate, layout, 0
        self.stream = container.add_stream(codec, rate=rate, layout=layout)
        context = self.stream.codec_context
        context.thread_count = 1
        context.flags |= Flags.bitexact
        context.bit_rate = 48_000 * len(self.samples)
        context.options = dict(OPTIONS.get(codec, {}))
        formats = [f.name for f in av.Codec(codec, "w").audio_formats or []]
        self.format = next((f for f in ("fltp", "s16p", "flt", "s16") if f in formats), "s16")
        context.format = self.format

    def write(self, until: float | None) -> None:
        """Encode up to ``until`` seconds; ``None``: the rest, and flush."""
        size = self.samples.shape[1]
        end = size if until is None else min(size, int(until * self.rate))
        step = self.stream.codec_context.frame_size or 1024
        while self.done < end and (until is None or self.done + step <= end):
            block = self.samples[:, self.done : min(size, self.done + step)]
            frame = av.AudioFrame.from_ndarray(self._convert(block), format=self.format, layout=self.layout)
            frame.sample_rate, frame.pts, frame.time_base = self.rate, self.done, Fraction(1, self.rate)
            self.container.mux(self.stream.encode(frame))
            self.done += block.shape[1]
        if until is None:
            self.container.mux(self.stream.encode(None))

    def _convert(self, block: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        values: npt.NDArray[Any] = np.clip(block, -1, 1)
        if self.format.startswith("s16"):
            values = np.rint(values * 32767).astype(np.int16)
        if not self.format.endswith("p"):
            values = values.T.reshape(1, -1)
        return np.ascontiguousarray(values)
