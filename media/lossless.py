"""RGB pictures as packets of a lossless intra-only video codec (Ut Video): smaller than PNG, several times faster to write and read.

Every packet stands for itself: any one can be decoded alone, in any order. The planes are those of the RGB picture (``gbrp``),
median prediction and Huffman codes, so what comes back is what went in, bit for bit.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from cache.errors import DataError

Image = npt.NDArray[np.uint8]

CODEC, FORMAT, TAG = "utvideo", "gbrp", "ULRG"


class LosslessEncoder:
    """Encodes RGB uint8 (H, W, 3) pictures, all of the size of the first one, each into a packet of its own."""

    def __init__(self, width: int, height: int) -> None:
        self._context = cast(Any, av.CodecContext.create(CODEC, "w"))
        self._context.width, self._context.height, self._context.pix_fmt = width, height, FORMAT
        self._context.time_base = Fraction(1, 25)
        self._context.options = {"pred": "median"}
        self._context.thread_count = 1
        self._context.open()
        self._number = 0

    @property
    def head(self) -> bytes:
        """What a decoder must know beside the size (the codec's extradata)."""
        return bytes(self._context.extradata or b"")

    def encode(self, image: Image) -> bytes:
        """One picture as a packet."""
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=FORMAT)
        picture.pts, self._number = self._number, self._number + 1
        (packet,) = self._context.encode(picture)
        return bytes(packet)


class LosslessDecoder:
    """Decodes packets of a :class:`LosslessEncoder` of the same size and ``head``, in any order. Not for two threads at once."""

    def __init__(self, width: int, height: int, head: bytes) -> None:
        self._context = cast(Any, av.CodecContext.create(CODEC, "r"))
        self._context.width, self._context.height = width, height
        self._context.codec_tag = TAG
        self._context.extradata = head
        self._context.thread_count = 1

    def decode(self, packet: bytes) -> Image:
        """The picture of a packet: RGB uint8 (H, W, 3). Raises DataError if it is none."""
        try:
            (picture,) = self._context.decode(av.Packet(packet))
        except (FFmpegError, ValueError) as error:
            raise DataError(f"{len(packet)} bytes are no picture of a {CODEC} stream") from error
        return cast(Image, picture.to_ndarray(format=FORMAT))
