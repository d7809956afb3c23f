"""Payloads of sampled frames: what is kept is what comes back."""

from __future__ import annotations

import numpy as np
import pytest

from cache.errors import DataError
from stages.media.frames import decode_image, decode_payload, encode_image, encode_payload

RNG = np.random.default_rng(0)
PICTURES = {n: RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8) for n in (2, 5, 40)}
INDEX = np.array([[2, 2, 5], [5, 40, 40]], np.int32)


def _payload() -> bytes:
    return encode_payload(INDEX, {n: n / 12 for n in PICTURES}, {n: encode_image(p) for n, p in PICTURES.items()})


def test_a_payload_holds_each_frame_once_and_without_loss() -> None:
    frames = decode_payload(_payload())
    assert np.array_equal(frames.index, INDEX) and frames.index.dtype == np.int32
    assert frames.numbers.tolist() == [2, 5, 40]
    assert frames.times.tolist() == [2 / 12, 5 / 12, 40 / 12]
    for number, picture in PICTURES.items():
        assert np.array_equal(frames.images(number), picture)


def test_the_same_frames_are_the_same_bytes() -> None:
    reordered = dict(reversed(PICTURES.items()))
    assert encode_payload(INDEX, {n: n / 12 for n in reordered}, {n: encode_image(p) for n, p in reordered.items()}) == _payload()


def test_jpeg_is_close_and_smaller() -> None:
    smooth = np.zeros((64, 64, 3), np.uint8)
    smooth[:, :, 0] = np.arange(64) * 3
    assert np.abs(decode_image(encode_image(smooth, "jpeg", 95)).astype(int) - smooth).max() <= 6
    noise = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert len(encode_image(noise, "jpeg", 50)) < len(encode_image(noise, "png"))


def test_the_payload_of_a_lost_video_is_refused() -> None:
    with pytest.raises(DataError, match="no frames"):
        decode_payload(b"")


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="png, jpeg"):
        encode_image(PICTURES[2], "webp")
