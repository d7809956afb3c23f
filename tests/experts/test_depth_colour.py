"""Depth in colours."""

from __future__ import annotations

import numpy as np

from media.codings.depth_colour import colourise


def test_near_is_dark_red_and_far_is_dark_blue() -> None:
    picture = colourise(np.linspace(1, 20, 12, dtype=np.float32).reshape(1, 12))
    assert picture.dtype == np.uint8 and picture.shape == (1, 12, 3)
    (r, g, b), (r2, g2, b2) = picture[0, 0].tolist(), picture[0, -1].tolist()
    assert 100 < r < 160 and g == b == 0 and r2 == g2 == 0 and 100 < b2 < 160


def test_invalid_pixels_are_white_and_count_in_the_range() -> None:
    depth = np.array([[-1, 1, 3]], np.float32)
    picture = colourise(depth, cmap="gray")
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert 120 < picture[0, 1, 0] < 135  # the middle of -1 and 3


def test_a_fixed_range_gives_one_depth_one_colour_in_every_picture() -> None:
    near = colourise(np.array([[2.0, 4.0]]), 0, 10)
    assert np.array_equal(near[0, 1], colourise(np.array([[4.0, 9.0]]), 0, 10)[0, 0])


def test_a_picture_of_one_depth_has_one_colour() -> None:
    assert len(np.unique(colourise(np.full((3, 3), 5.0)).reshape(-1, 3), axis=0)) == 1
