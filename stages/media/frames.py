"""Sampled frames as bytes: what the stage ``sample`` keeps of a video and its readers open again.

A payload is a :func:`cache.pack.pack` of

======= ============ ==============================================================
index   int32 (C, F) frame numbers of C clips of F frames
numbers int32 (K,)   the distinct frame numbers, ascending
times   float64 (K,) seconds since the container's start
offsets int64 (K+1,) image k is ``data[offsets[k]:offsets[k + 1]]``
data    uint8        the encoded images, one after the other
======= ============ ==============================================================
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache import pack
from cache.errors import DataError

CODECS = ("png", "jpeg")


@dataclass(frozen=True)
class Frames:
    """An opened payload. ``images(number)`` decodes one frame, named by its *frame number*: RGB uint8 (H, W, 3)."""

    index: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int32]
    times: npt.NDArray[np.float64]
    images: Callable[[int], npt.NDArray[np.uint8]]


def encode_image(image: npt.NDArray[np.uint8], codec: str = "png", quality: int = 95) -> bytes:
    """Encode RGB uint8 (H, W, 3): ``png`` without loss, ``jpeg`` with ``quality`` 1..100 and full chroma."""
    buffer = io.BytesIO()
    if codec == "png":
        Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    elif codec == "jpeg":
        Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0, optimize=False)
    else:
        raise ValueError(f"unknown image codec {codec!r}; known: {', '.join(CODECS)}")
    return buffer.getvalue()


def decode_image(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one image of :func:`encode_image` to RGB uint8 (H, W, 3)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def encode_payload(index: npt.NDArray[np.int32], times: Mapping[int, float], images: Mapping[int, bytes]) -> bytes:
    """Pack the clips ``index`` (C, F); ``times`` and ``images`` (encoded) are by frame number and hold every number in it."""
    numbers = np.unique(index).astype(np.int32)
    encoded = [images[int(number)] for number in numbers]
    offsets = np.zeros(len(numbers) + 1, np.int64)
    np.cumsum([len(image) for image in encoded], out=offsets[1:])
    seconds = np.array([times[int(number)] for number in numbers], np.float64)
    return pack.pack({"index": index.astype(np.int32), "numbers": numbers, "times": seconds, "offsets": offsets, "data": b"".join(encoded)})


def decode_payload(payload: bytes) -> Frames:
    """Open a payload; images are decoded one by one, when asked for. Raises DataError if it holds no frames."""
    if not payload:
        raise DataError("this item holds no frames: its video was lost", hint="use only the videos that frames.jsonl lists")
    arrays = pack.unpack(payload)
    numbers, offsets, data = arrays["numbers"], arrays["offsets"], arrays["data"]
    place = {int(number): k for k, number in enumerate(numbers)}

    def images(number: int) -> npt.NDArray[np.uint8]:
        k = place[int(number)]
        return decode_image(data[int(offsets[k]) : int(offsets[k + 1])].tobytes())

    return Frames(
        cast(npt.NDArray[np.int32], arrays["index"]),
        cast(npt.NDArray[np.int32], numbers),
        cast(npt.NDArray[np.float64], arrays["times"]),
        images,
    )
