"""What an encoder puts in front of the sound of an AVI, which cannot say so: by codec, as FFmpeg's encoders and LAME do it.

A codec of overlapping blocks needs some samples before the first one. Other containers say how many (an edit list, CodecDelay, a stamp
below 0); in AVI the sound comes that much late. FFmpeg's muxer, which wants no stamp below 0, also moves all streams by that much, in
whole packets of sound, rounded up to whole frames of the film: all pictures but the first come that much later, after empty chunks.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from media import avi


class Priming(NamedTuple):
    """Samples in front, and samples by which FFmpeg's muxer moves the streams for it (0: less than half a packet)."""

    samples: int
    moved: int


#: decoder -> what its encoders put in front: LAME's MP3 (others: 528 to 1,160), FFmpeg's AAC (Apple: 2,112), AC-3 and MP2
CODECS = {
    "mp3": Priming(1105, 1152),
    "mp3float": Priming(1105, 1152),
    "aac": Priming(1024, 1024),
    "ac3": Priming(256, 0),
    "eac3": Priming(256, 0),
    "mp2": Priming(481, 0),
    "mp2float": Priming(481, 0),
}


def of(kind: str, codec: str) -> Priming:
    """Of a stream of sound in a container of this kind; nothing where the container tells."""
    return CODECS.get(codec, Priming(0, 0)) if kind == "avi" else Priming(0, 0)


def moved(path: Path, opened: Any, priming: Priming, rate: int) -> float:
    """By how many seconds the muxer moved the sound, and the film, of an AVI.

    B-frames have times below 0 as well: what they need of the movement is not seen, for AVI keeps the order of coding.
    """
    film = opened.streams.best("video")
    if not priming.moved or not rate or film is None or not film.average_rate or film.codec_context is None:
        return 0.0
    frames = math.ceil(Fraction(priming.moved, rate) * film.average_rate)
    empty = avi.empty_after_first(path, film.index, frames)
    whole = empty == frames
    return 0.0 if whole == film.codec_context.has_b_frames else float(empty / film.average_rate)
