"""Sound at another rate, block by block: the same samples however it is cut into blocks.

``soxr`` lets nothing through from above half the new rate (-140 dB; libswresample at 44.1 to 16 kHz: -13 dB at 8.1 kHz), and what is
below 92 % of that as it is. Both keep the time: the first sample out is that of the first one in.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt

from cache.errors import ConfigError, one_of

Samples = npt.NDArray[np.float32]
RESAMPLERS = ("soxr", "ffmpeg")
#: how exact soxr is: 20 bits, what librosa and others take
QUALITY = "HQ"


class Resampler(Protocol):
    """What changes the rate of one stream of mono samples."""

    def more(self, block: Samples) -> Iterator[Samples]:
        """What a block of samples gives."""

    def rest(self) -> Iterator[Samples]:
        """What is left when there are no more."""


def resampler(name: str, source: int, target: int) -> Resampler:
    """One of :data:`RESAMPLERS`, or what changes nothing where the rates are the same. Raises ConfigError without soxr."""
    one_of("resampler", name, RESAMPLERS)
    if source == target:
        return _Same()
    return _Soxr(source, target) if name == "soxr" else _Swresample(source, target)


def require(name: str) -> Any:
    """The package of a resampler, None of FFmpeg's. Raises ConfigError if it is not here."""
    if name != "soxr":
        return None
    try:
        return importlib.import_module("soxr")
    except ImportError as error:
        hint = "pip install 'kdpipe[audio]', or --set sample.resampler=ffmpeg"
        raise ConfigError("resampler: soxr is not installed", hint=hint) from error


class _Same:
    def more(self, block: Samples) -> Iterator[Samples]:
        yield block

    def rest(self) -> Iterator[Samples]:
        return iter(())


class _Soxr:
    def __init__(self, source: int, target: int) -> None:
        self._stream = require("soxr").ResampleStream(source, target, 1, dtype="float32", quality=QUALITY)

    def more(self, block: Samples) -> Iterator[Samples]:
        yield self._stream.resample_chunk(block)

    def rest(self) -> Iterator[Samples]:
        yield self._stream.resample_chunk(np.zeros(0, np.float32), last=True)


class _Swresample:
    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=target)

    def more(self, block: Samples) -> Iterator[Samples]:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block[None]), format="flt", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = self._source, Fraction(1, self._source), None
        return (made.to_ndarray()[0] for made in self._resampler.resample(frame))

    def rest(self) -> Iterator[Samples]:
        return (made.to_ndarray()[0] for made in self._resampler.resample(None))
