"""The sound of a file as bytes: what the stage ``sample`` keeps of it and its readers open again.

A payload is a :func:`cache.pack.pack` of

======= ============ ================================================
samples int16 (N,)   mono, 32768 for 1.0
rate    int32 (1,)   samples a second
start   float64 (1,) seconds of the first one since the container's start, as the times of frames are (:mod:`media.frames`)
======= ============ ================================================
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from cache import pack
from cache.errors import DataError


class Waveform(NamedTuple):
    """An opened payload. ``samples`` are int16, a view into it."""

    samples: npt.NDArray[np.int16]
    rate: int
    start: float

    def floats(self, first: int = 0, last: int | None = None) -> npt.NDArray[np.float32]:
        """Samples ``first`` up to ``last`` (None: the end) as float32 in -1..1."""
        return self.samples[first:last].astype(np.float32) / 32768


def encode_waveform(samples: npt.NDArray[np.int16], rate: int, start: float) -> bytes:
    """Pack mono samples (N,)."""
    return pack.pack({"samples": samples, "rate": np.array([rate], np.int32), "start": np.array([start], np.float64)})


def decode_waveform(payload: bytes) -> Waveform:
    """Open a payload. Raises DataError if it holds no sound."""
    if not payload:
        raise DataError("this item holds no sound: its file was lost", hint="use only the files that sounds.jsonl lists")
    arrays = pack.unpack(payload)
    return Waveform(cast(npt.NDArray[np.int16], arrays["samples"]), int(arrays["rate"][0]), float(arrays["start"][0]))
