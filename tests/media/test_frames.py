"""Payloads of sampled frames: what is kept is what comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError
from media.frames import Encoder, decode_image, decode_payload, encode_image, encode_payload
from media.lossless import LosslessDecoder, LosslessEncoder

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


def _through(codec: str, pictures: dict[int, np.ndarray]) -> tuple[bytes, dict[int, np.ndarray]]:
    """The payload of one clip of ``pictures``, and what comes out of it, read in another order."""
    encoder = Encoder(codec)
    coded = {number: encoder.encode(picture) for number, picture in pictures.items()}
    payload = encode_payload(np.array([sorted(pictures)], np.int32), dict.fromkeys(pictures, 0.0), coded, encoder.head)
    frames = decode_payload(payload)
    return payload, {number: frames.images(number) for number in sorted(pictures, reverse=True)}


@given(
    st.integers(1, 90), st.integers(1, 400), st.sampled_from([0, 1, 3, 6, 8]), st.integers(0, 2**32 - 1)
)  # 360 rows and more are cut into slices
def test_no_codec_without_loss_changes_a_value(width: int, height: int, bits: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = {n: rng.integers(0, 2**bits, (height, width, 3), dtype=np.uint8) for n in (0, 7)}
    for codec in ("utvideo", "png"):
        _, seen = _through(codec, pictures)
        assert all(np.array_equal(seen[n], pictures[n]) for n in pictures)


def test_natural_pictures_are_smaller_than_as_png() -> None:
    rows, columns = np.mgrid[0:240, 0:320]
    smooth = np.stack([rows + columns // 2, 2 * rows // 3, 255 - columns // 2], axis=2) + RNG.normal(0, 3, (240, 320, 3))
    pictures = {n: np.clip(smooth + n, 0, 255).astype(np.uint8) for n in range(4)}
    assert len(_through("utvideo", pictures)[0]) < len(_through("png", pictures)[0])


def test_a_picture_of_another_size_or_of_noise_harms_no_other() -> None:
    calm = np.zeros((64, 96, 3), np.uint8)
    calm[:, :, 1] = np.arange(96)
    pictures = {
        0: calm,
        1: RNG.integers(0, 256, (359, 641, 3), dtype=np.uint8),
        2: RNG.integers(0, 256, (64, 96, 3), dtype=np.uint8),
        3: calm,
    }
    encoder = Encoder("utvideo")
    assert [encoder.encode(p).startswith(b"\x89PNG") for p in pictures.values()] == [False, True, True, False]
    assert all(np.array_equal(seen, pictures[n]) for n, seen in _through("utvideo", pictures)[1].items())


def test_a_damaged_packet_is_an_error() -> None:
    encoder = LosslessEncoder(96, 64)
    packet = encoder.encode(np.full((64, 96, 3), np.arange(96, dtype=np.uint8)[:, None]))
    with pytest.raises(DataError, match="no picture"):
        LosslessDecoder(96, 64, encoder.head).decode(packet[:100])
