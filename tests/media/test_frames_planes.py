"""Payloads of pictures that are no RGB: planes of flow."""

from __future__ import annotations

import numpy as np
import pytest

from cache import pack
from cache.errors import DataError
from media.frames import decode_payload, encode_image, encode_pictures

PLANES = np.random.default_rng(0).integers(0, 256, (2, 9, 13, 5), dtype=np.uint8)
INDEX, NUMBERS, TIMES = np.array([[4, 8]], np.int32), np.array([4, 8], np.int32), np.array([0.0, 0.5])


@pytest.mark.parametrize("planes", [1, 2, 5])
def test_planes_come_back_without_loss(planes: int) -> None:
    stills = [tuple(encode_image(picture[..., k]) for k in range(planes)) for picture in PLANES]
    frames = decode_payload(encode_pictures(INDEX, NUMBERS, TIMES, stills))
    for number, picture, coded in zip(NUMBERS, PLANES, stills):
        assert np.array_equal(frames.images(number), picture[..., :planes])
        assert frames.coded is not None and frames.coded(number) == coded


def test_pictures_of_different_planes_are_refused() -> None:
    still = encode_image(PLANES[0, ..., 0])
    with pytest.raises(ValueError, match="as many planes"):
        encode_pictures(INDEX, NUMBERS, TIMES, [(still,), (still, still)])
    with pytest.raises(ValueError, match="as many planes"):
        encode_pictures(INDEX, NUMBERS, TIMES, [still, (still,)])


def test_a_payload_without_pictures_says_so() -> None:
    with pytest.raises(DataError, match="no pictures"):
        decode_payload(pack.pack({"index": INDEX, "numbers": NUMBERS, "times": TIMES, "values": np.zeros(3)}))
