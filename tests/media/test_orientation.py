"""Display matrices and rotate tags, checked against the geometry they stand for."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from stages.media.orientation import UPRIGHT, from_degrees, from_matrix

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
