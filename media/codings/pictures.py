"""Codings that are pictures: the payload of :mod:`media.frames`, so that whoever reads sampled frames reads these too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from media.codings.derived import Derived, Image, Numbers, Times, added
from media.frames import decode_payload, encode_image, encode_pictures

#: product, frame -> its picture: uint8 (H, W, 3), or (H, W, planes) of any other number of planes
Draw = Callable[[Any, Image | None], Image]


class PictureCoder:
    """Draws a product when it is added, and encodes the picture at once: RGB as one still, other planes as one grey still each."""

    def __init__(self, draw: Draw, codec: str, quality: int) -> None:
        self._draw, self._codec, self._quality = draw, codec, quality
        self._kept: dict[int, bytes | tuple[bytes, ...]] = {}

    def add(self, number: int, product: Any, frame: Image | None = None) -> None:
        """See :class:`media.codings.derived.Coder`."""
        picture = self._draw(product, frame)
        if picture.shape[2] == 3:
            self._kept[number] = encode_image(picture, self._codec, self._quality)
        else:
            planes = (picture[..., plane] for plane in range(picture.shape[2]))
            self._kept[number] = tuple(encode_image(plane, self._codec, self._quality) for plane in planes)

    def payload(self, index: Numbers, numbers: Numbers, times: Times) -> bytes:
        """See :class:`media.codings.derived.Coder`."""
        return encode_pictures(index, numbers, times, added(self._kept, numbers))


def decode_pictures(payload: bytes) -> Derived:
    """Open a payload; its products are the pictures, uint8 (H, W, channels)."""
    frames = decode_payload(payload)
    return Derived(frames.index, frames.numbers, frames.times, frames.images)
