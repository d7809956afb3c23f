"""Which part of a file is seen: the window of a training clip, the frames in it, the windows of a test (spec 2.2, 2.3, 10.1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.training.crops import Uniform


class Span(NamedTuple):
    """Part of a stream, in seconds on the clock of its file."""

    start: float
    length: float

    @property
    def end(self) -> float:
        return self.start + self.length


class Window(NamedTuple):
    """Where a clip begins in pictures and in sound, and how long each is, in seconds."""

    video: float
    video_seconds: float
    audio: float
    audio_seconds: float


def clip_window(video: Span, audio: Span, seconds: tuple[float, float], uniform: Uniform) -> Window:
    """A random window of ``seconds`` (pictures, sound) of a file; the sound is of the time of the pictures, or within it.

    If a stream is too short, all of it is taken, from 0, and the other's window lies anywhere. The numbers are drawn in the order of the
    published code.
    """
    wanted, heard = seconds
    no_video, no_audio = video.length < wanted, audio.length < heard
    if no_video and no_audio:
        return Window(0.0, video.length, 0.0, audio.length)
    if no_video:
        length = uniform(heard, heard)  # a draw without a choice, that the ones after it stay the same
        return Window(0.0, video.length, uniform(audio.start, audio.end - length), length)
    if no_audio:
        length = uniform(wanted, wanted)
        return Window(uniform(video.start, video.end - length), length, 0.0, audio.length)
    low, high = max(audio.start, video.start), min(audio.end - heard, video.end - wanted)
    first = uniform(low, high) if high > low else low
    if heard > wanted:
        return Window(uniform(max(first, video.start), min(first + heard, video.end) - wanted), wanted, first, heard)
    return Window(first, wanted, uniform(max(first, audio.start), min(first + wanted, audio.end) - heard), heard)


def frame_numbers(stream: Span, rate: float, start: float, seconds: float | None, fps: float) -> list[int]:
    """The frames, of ``rate`` a second, that are on screen ``fps`` times a second from ``start`` on; None: to the end.

    A number comes several times where the file has fewer frames than that. The end of a stream may leave fewer than asked for.
    """
    length = stream.end - start if seconds is None else seconds
    moments = np.arange(start, min(start + length - 0.5 / rate, stream.end), 1 / fps)[: int(length * fps)]
    return [int((moment - stream.start) * rate) for moment in moments]


def dense_starts(length: int, window: int, clips: int) -> list[int]:
    """Where ``clips`` windows begin that lie evenly in ``length`` frames or columns; a file that is no longer than one is taken whole."""
    if length <= window:
        return [0] * clips
    return [int(start) for start in np.linspace(0, max(length - window, 1), clips)]
