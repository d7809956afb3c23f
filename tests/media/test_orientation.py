"""Display matrices and rotate tags, checked against the geometry they stand for."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from media.decode import count_frames, read_frames
from media.orientation import UPRIGHT, from_degrees, from_matrix
from tests.media.zoo import COUNT, number_of, picture, write

PICTURE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
MATRICES = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0), (0, -1, -1, 0)]


@pytest.mark.parametrize("matrix", MATRICES)
def test_each_pixel_lands_where_the_matrix_sends_it(matrix: tuple[int, int, int, int]) -> None:
    a, b, c, d = matrix
    turned = from_matrix(struct.pack("=9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30))
    shown = turned.apply(PICTURE)
    points = {(a * p + c * q, b * p + d * q): PICTURE[q, p] for q in range(2) for p in range(3)}
    left, top = min(x for x, _ in points), min(y for _, y in points)
    for (x, y), colour in points.items():
        assert np.array_equal(shown[y - top, x - left], colour)
    assert turned.size(3, 2) == (shown.shape[1], shown.shape[0])


@pytest.mark.parametrize(("degrees", "turns"), [("0", 0), ("90", -1), ("180", 2), ("270", 1), ("-90", 1), ("450", -1), ("89.6", -1)])
def test_the_rotate_tag_turns_clockwise(degrees: str, turns: int) -> None:
    assert np.array_equal(from_degrees(degrees).apply(PICTURE), np.rot90(PICTURE, turns))


@pytest.mark.parametrize("text", ["", "left", "nan", "inf"])
def test_a_tag_that_is_no_number_turns_nothing(text: str) -> None:
    assert from_degrees(text) == UPRIGHT


def test_a_matrix_that_is_too_short_turns_nothing() -> None:
    assert from_matrix(b"1234") == UPRIGHT


def _with_exif(path: Path, turn: int = 0, **how: Any) -> Path:
    """MJPEG, each picture of which carries the Exif of a camera, with an orientation if ``turn`` is one."""

    def change(packets: list[Any]) -> list[Any]:
        exif = Image.Exif()
        exif[0x0110] = "a camera"
        if turn:
            exif[0x0112] = turn
        found = []
        for number, packet in enumerate(packets):
            Image.fromarray(picture(number)).save(data := io.BytesIO(), "JPEG", quality=95, exif=exif)
            found.append(av.Packet(data.getvalue()))
            found[-1].stream, found[-1].time_base, found[-1].duration = packet.stream, packet.time_base, packet.duration
            found[-1].pts, found[-1].dts, found[-1].is_keyframe = packet.pts, packet.dts, True
        return found

    return write(path, codec="mjpeg", pix_fmt="yuvj420p", change=change, **how)


@pytest.mark.parametrize("suffix", [".avi", ".mov", ".mkv"])
def test_pictures_with_the_exif_of_a_camera_are_read(tmp_path: Path, suffix: str) -> None:
    path = _with_exif(tmp_path / f"a{suffix}")
    assert [number_of(frame.image) for frame in read_frames(path)] == list(range(COUNT))
    assert count_frames(path).verdict() == ("ok", "")


@pytest.mark.parametrize(("turn", "stored"), [(2, lambda i: i[:, ::-1]), (3, lambda i: i[::-1, ::-1]), (6, lambda i: np.rot90(i))])
def test_the_orientation_of_exif_turns_pictures_upright(tmp_path: Path, turn: int, stored: Callable[[Any], Any]) -> None:
    path = _with_exif(tmp_path / "a.mov", turn)
    plain = next(read_frames(_with_exif(tmp_path / "b.mov"))).image
    turned = next(read_frames(path)).image
    assert np.array_equal(stored(turned), plain)
