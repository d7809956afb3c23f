"""From boxes to crops, from heat maps to joints."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.experts import pose_crops

BOX = st.tuples(*[st.floats(-50, 250, width=32)] * 2, *[st.floats(1, 200, width=32)] * 2)


def one(box: tuple[float, float, float, float], height: int = 256, width: int = 192) -> tuple[np.ndarray, np.ndarray]:
    x, y, w, h = box
    return pose_crops.centre_and_size(np.array([[x, y, x + w, y + h]], np.float32), height, width)


@given(BOX)
def test_a_crop_has_the_shape_of_the_input_and_holds_its_box(box: tuple[float, float, float, float]) -> None:
    centre, size = one(box)
    assert size[0, 0] / size[0, 1] == pytest.approx(0.75, rel=1e-5)
    x1, y1, x2, y2 = pose_crops.crop_boxes(centre, size)[0]
    x, y, w, h = box
    slack = 1e-3 * max(abs(x) + w, abs(y) + h)
    assert x1 < x + slack and y1 < y + slack and x2 > x + w - slack and y2 > y + h - slack
    assert max(w / size[0, 0], h / size[0, 1]) == pytest.approx(1 / 1.25, rel=1e-4)


@given(BOX)
def test_the_maps_to_the_crop_and_back_undo_each_other(box: tuple[float, float, float, float]) -> None:
    centre, size = one(box)
    there, back = pose_crops.affine(centre, size, 64, 48)[0], pose_crops.affine_back(centre, size, 64, 48)[0]
    for place in ([0.0, 0.0], [30.5, -7.0]):
        inside = there[:, :2] @ place + there[:, 2]
        np.testing.assert_allclose(back[:, :2] @ inside + back[:, 2], place, atol=1e-6 * (np.abs(back).max() + 50))


def test_every_pixel_of_a_crop_is_the_bilinear_value_of_the_frame_and_black_outside() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (20, 30, 3), np.uint8)
    centre, size = one((-3.0, 4.0, 14.0, 19.0), 32, 24)
    got = pose_crops.crop(frame, centre[0], size[0], 32, 24)
    back = pose_crops.affine_back(centre, size, 32, 24)[0]
    padded = np.zeros((200, 200, 3))
    padded[90:110, 90:120] = frame
    for row in range(32):
        for column in range(24):
            x, y = back[:, :2] @ [column, row] + back[:, 2] + 90
            c, r = int(np.floor(x)), int(np.floor(y))
            fx, fy = x - c, y - r
            top = padded[r, c] * (1 - fx) + padded[r, c + 1] * fx
            bottom = padded[r + 1, c] * (1 - fx) + padded[r + 1, c + 1] * fx
            assert np.abs(got[row, column] - (top * (1 - fy) + bottom * fy)).max() <= 0.501


def test_a_crop_far_outside_the_frame_is_black() -> None:
    frame = np.full((10, 10, 3), 200, np.uint8)
    centre, size = one((500.0, 500.0, 10.0, 10.0))
    assert not pose_crops.crop(frame, centre[0], size[0]).any()


def test_a_crop_is_divided_by_255_unless_it_is_black() -> None:
    crops = np.zeros((3, 2, 2, 3), np.uint8)
    crops[0], crops[1, 0, 0] = 255, 1
    x = pose_crops.network_input(crops)
    np.testing.assert_allclose(x[0, :, 0, 0], 1 - np.float32(pose_crops.MEAN), rtol=1e-6)
    np.testing.assert_allclose(x[1, :, 0, 0], 1 - np.float32(pose_crops.MEAN), rtol=1e-6)
    np.testing.assert_allclose(x[2, :, 1, 1], -np.float32(pose_crops.MEAN), rtol=1e-6)


def peak(row: int, column: int, value: float = 0.8) -> np.ndarray:
    maps = np.full((1, 1, 64, 48), -0.1, np.float32)
    maps[0, 0, row, column] = value
    return maps


def test_a_joint_is_where_its_map_is_largest_a_quarter_towards_the_higher_neighbour() -> None:
    centre, size = one((10.0, 20.0, 30.0, 40.0))
    box = pose_crops.crop_boxes(centre, size)
    maps = peak(30, 20)
    maps[0, 0, 30, 21], maps[0, 0, 29, 20] = 0.4, 0.2
    places, scores = pose_crops.joints_of(maps, box)
    step = size[0, 0] / 48
    np.testing.assert_allclose(places[0, 0], [centre[0, 0] + (20.25 - 24) * step, centre[0, 1] + (29.75 - 32) * step], rtol=1e-5)
    assert scores[0, 0, 0] == np.float32(0.8)


@pytest.mark.parametrize(("row", "column"), [(1, 20), (63, 20), (30, 1), (30, 47), (0, 0)])
def test_at_the_edge_a_joint_is_not_moved(row: int, column: int) -> None:
    centre, size = one((0.0, 0.0, 48.0, 64.0))
    maps = peak(row, column)
    if column < 47:
        maps[0, 0, row, column + 1] = 0.5
    places, _ = pose_crops.joints_of(maps, pose_crops.crop_boxes(centre, size))
    step = size[0, 0] / 48
    np.testing.assert_allclose(places[0, 0], centre[0] + (np.array([column, row]) - [24, 32]) * step, rtol=1e-4, atol=1e-3)


def test_a_map_that_is_nowhere_positive_has_its_joint_in_the_corner_and_keeps_its_score() -> None:
    centre, size = one((0.0, 0.0, 48.0, 64.0))
    box = pose_crops.crop_boxes(centre, size)
    places, scores = pose_crops.joints_of(peak(30, 20, -0.05), box)
    np.testing.assert_allclose(places[0, 0], box[0, :2], atol=1e-3)
    assert scores[0, 0, 0] == np.float32(-0.05)
