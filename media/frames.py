"""Sampled frames as bytes: what the stage ``sample`` keeps of a video and its readers open again.

A payload is a :func:`cache.pack.pack` of

======= ============ ==============================================================
index   int32 (C, F) frame numbers of C clips of F frames
numbers int32 (K,)   the frame numbers, ascending: all of ``index``, and maybe frames beside them (``sample.with_next``)
times   float64 (K,) seconds since the container's start
offsets int64 (K+1,) image k is ``data[offsets[k]:offsets[k + 1]]``
data    uint8        the encoded images, one after the other
size    int32 (2,)   only with codec ``utvideo``: width, height of its images
head    uint8        only with codec ``utvideo``: what its decoder has to know (:mod:`media.lossless`)
planes  int32 ()     only of pictures of other planes than RGB (optical flow: x, y): how many. Each plane is a grey still: ``offsets`` has
                     K planes + 1 entries, and the planes of image k are its stills k planes to (k + 1) planes - 1
======= ============ ==============================================================

Arrays that were given as such stand as they are: ``pictures`` uint8 (K, H, W, channels) in place of ``offsets`` and ``data``.

An image says itself whether it is PNG or JPEG; what is neither belongs to the stream that ``size`` and ``head`` describe.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache import pack
from cache.errors import DataError, StoreError
from cache.items import ItemSet
from media.lossless import LosslessDecoder, LosslessEncoder

CODECS = ("utvideo", "png", "jpeg")
#: how the images of the other codecs begin; a packet of Ut Video begins with code lengths, of which none is 137 or 216
STILLS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


@dataclass(frozen=True)
class Frames:
    """An opened payload. ``images(number)`` gives one frame, named by its *frame number*: RGB uint8 (H, W, 3), or of other channels.

    ``coded(number)`` gives its stills as they are kept, to be copied: one, or one for each plane. None where they are no stills.
    """

    index: npt.NDArray[np.int32]
    numbers: npt.NDArray[np.int32]
    times: npt.NDArray[np.float64]
    images: Callable[[int], npt.NDArray[np.uint8]]
    coded: Callable[[int], tuple[bytes, ...]] | None = None


class Encoder:
    """Encodes the frames of one video, RGB uint8 (H, W, 3), with one of :data:`CODECS`.

    ``utvideo`` and ``png`` lose nothing. What ``utvideo`` cannot take, because it is of another size than the first picture, or
    would not make smaller than its pixels are, becomes PNG: one odd picture harms no other.
    """

    def __init__(self, codec: str, quality: int = 95) -> None:
        self._codec, self._quality = codec, quality
        self._stream: LosslessEncoder | None = None
        self._size = (0, 0)

    def encode(self, image: npt.NDArray[np.uint8]) -> bytes:
        """One picture as bytes."""
        if self._codec != "utvideo":
            return encode_image(image, self._codec, self._quality)
        height, width, _ = image.shape
        if self._stream is None:
            self._stream, self._size = LosslessEncoder(width, height), (width, height)
        if self._size != (width, height):
            return encode_image(image, "png")
        packet = self._stream.encode(image)
        return packet if len(packet) < image.size else encode_image(image, "png")

    @property
    def head(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays that a payload needs beside the encoded pictures."""
        if self._stream is None:
            return {}
        return {"size": np.array(self._size, np.int32), "head": np.frombuffer(self._stream.head, np.uint8)}


def encode_image(image: npt.NDArray[np.uint8], codec: str = "png", quality: int = 95) -> bytes:
    """Encode RGB uint8 (H, W, 3), or one plane (H, W), as a still: ``png`` loses nothing, ``jpeg`` has ``quality`` 1..100, full chroma."""
    buffer = io.BytesIO()
    if codec == "png":
        Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    elif codec == "jpeg":
        Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=0, optimize=False)
    else:
        raise ValueError(f"unknown image codec {codec!r}; known: png, jpeg")
    return buffer.getvalue()


def decode_image(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one image of :func:`encode_image` to RGB uint8 (H, W, 3)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB"))


def decode_plane(data: bytes) -> npt.NDArray[np.uint8]:
    """Decode one plane of :func:`encode_image` to uint8 (H, W)."""
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("L"))


def encode_payload(
    index: npt.NDArray[np.int32],
    times: Mapping[int, float],
    images: Mapping[int, bytes],
    head: Mapping[str, npt.NDArray[Any]] | None = None,
) -> bytes:
    """Pack the clips ``index`` (C, F); ``times`` and ``images`` (encoded) are by frame number and hold every number in it, and maybe more.

    ``head`` is that of the :class:`Encoder` of the images.
    """
    numbers = np.array(sorted({*np.unique(index).tolist(), *images}), np.int32)
    encoded = [images[int(number)] for number in numbers]
    seconds = np.array([times[int(number)] for number in numbers], np.float64)
    return encode_pictures(index, numbers, seconds, encoded, head)


def encode_pictures(
    index: npt.NDArray[np.int32],
    numbers: npt.NDArray[np.int32],
    times: npt.NDArray[np.float64],
    images: Sequence[bytes | tuple[bytes, ...]],
    head: Mapping[str, npt.NDArray[Any]] | None = None,
) -> bytes:
    """Pack pictures that are encoded in the order of ``numbers``; all are one still each, or all are tuples of as many planes."""
    planes = {len(image) if isinstance(image, tuple) else 0 for image in images}
    if len(planes) > 1:
        raise ValueError(f"pictures of one payload have as many planes, not {sorted(planes)}")
    stills = [still for image in images for still in (image if isinstance(image, tuple) else (image,))]
    offsets = np.zeros(len(stills) + 1, np.int64)
    np.cumsum([len(still) for still in stills], out=offsets[1:])
    arrays: dict[str, npt.NDArray[Any] | bytes] = {
        "index": index.astype(np.int32),
        "numbers": numbers.astype(np.int32),
        "times": times.astype(np.float64),
        "offsets": offsets,
    }
    many = {"planes": np.array(max(planes), np.int32)} if any(planes) else {}
    return pack.pack({**arrays, "data": b"".join(stills), **many, **(head or {})})


def read_payload(items: ItemSet, key: str, digest: str) -> bytes:
    """The payload of the row ``key``. Raises StoreError if it is not there, or not the one that has the ``digest``."""
    item = items.get(key)
    if item is None or item.digest != digest:
        raise StoreError(
            f"the frames of {key[:12]} are not what the stage that made them recorded",
            hint="kdpipe fsck --repair names and puts aside what lost them; running that stage again then makes just these",
        )
    return bytes(item.payload)


def decode_payload(payload: bytes) -> Frames:
    """Open a payload; images are decoded one by one, when asked for. Raises DataError if it holds no frames."""
    if not payload:
        raise DataError("this item holds no frames: its video was lost", hint="use only the videos that frames.jsonl lists")
    arrays = pack.unpack(payload)
    numbers = arrays["numbers"]
    place = {int(number): k for k, number in enumerate(numbers)}
    index, times = cast(npt.NDArray[np.int32], arrays["index"]), cast(npt.NDArray[np.float64], arrays["times"])
    if "pictures" in arrays:
        return Frames(index, cast(npt.NDArray[np.int32], numbers), times, lambda number: arrays["pictures"][place[int(number)]])
    if "offsets" not in arrays:
        raise DataError("this item holds no pictures", hint="choose a coding that is pictures: wheel, xy, jet, black or overlay")
    offsets, data = arrays["offsets"], arrays["data"]
    planes = int(arrays["planes"]) if "planes" in arrays else 0
    stream = LosslessDecoder(int(arrays["size"][0]), int(arrays["size"][1]), arrays["head"].tobytes()) if "head" in arrays else None

    def coded(number: int) -> tuple[bytes, ...]:
        first, count = place[int(number)] * max(planes, 1), max(planes, 1)
        return tuple(data[int(offsets[k]) : int(offsets[k + 1])].tobytes() for k in range(first, first + count))

    def images(number: int) -> npt.NDArray[np.uint8]:
        stills = coded(number)
        if planes:
            return np.stack([decode_plane(still) for still in stills], axis=2)
        return decode_image(stills[0]) if stream is None or stills[0].startswith(STILLS) else stream.decode(stills[0])

    return Frames(index, cast(npt.NDArray[np.int32], numbers), times, images, None if stream is not None else coded)
