"""Crops, scales and mirrors of clips are the published ones, and functions of seed, epoch and item alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.errors import DataError
from models.training.crops import At, Box
from systems.gkd.recognition.views import (
    RATIOS,
    View,
    centre_view,
    crop_corners,
    crop_sizes,
    mirrored,
    network_input,
    random_view,
    scale,
    see,
)


def noise(frames: int, height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, channels), dtype=np.uint8)


@given(st.integers(224, 400), st.integers(224, 400), st.sampled_from([2, 3]), st.integers(0, 10**6))
def test_a_random_view_is_one_of_the_published_ones(height: int, width: int, channels: int, index: int) -> None:
    box = random_view(At(1, 2, index), height, width, channels).box
    assert (box.height, box.width) in crop_sizes(height, width, RATIOS[channels])
    assert (box.top, box.left) in crop_corners(height, width, 224)


def test_crops_of_chosen_sizes_are_no_others() -> None:
    boxes = [random_view(At(1, 2, index), 54, 72, 3, 48, (1, 0.875)).box for index in range(400)]
    assert {(box.height, box.width) for box in boxes} == {(54, 54), (54, 47), (47, 54), (47, 47)}
    assert {(box.top, box.left) for box in boxes} == set(crop_corners(54, 72, 48))


def test_all_views_come_up_equally_often() -> None:
    views = [random_view(At(7, epoch, 3), 240, 320, 3) for epoch in range(10 * 13 * 2 * 30)]
    counts = np.unique([(*view.box, view.mirrored) for view in views], axis=0, return_counts=True)[1]
    expected = len(views) / (10 * 13 * 2)
    assert len(counts) == 10 * 13 * 2
    assert ((counts - expected) ** 2 / expected).sum() < 350  # chi-squared, 259 degrees of freedom: 99.98 %


def test_a_crop_beyond_the_border_is_cut_and_stretched() -> None:
    clip = noise(1, 240, 320)
    seen = see(clip, View(Box(16, 96, 240, 240), False))
    np.testing.assert_array_equal(seen, clip[:, 16:, 96:])  # 224 x 224 are left, which is the size already


@settings(max_examples=20)
@given(st.integers(20, 40), st.integers(20, 40), st.integers(8, 30), st.integers(8, 30))
def test_resizing_is_opencvs_within_a_grey_level(height: int, width: int, short: int, size: int) -> None:
    cv2 = pytest.importorskip("cv2")
    clip = noise(2, height, width)
    ours = scale(clip, short)
    theirs = np.stack([cv2.resize(frame, ours.shape[2:0:-1]) for frame in clip])
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert min(ours.shape[1:3]) == short


def test_a_mirrored_flow_keeps_its_x_or_turns_it_round() -> None:
    clip = noise(1, 4, 4, 2)
    np.testing.assert_array_equal(mirrored(clip), clip[:, :, ::-1])
    turned = mirrored(clip, "negated")
    np.testing.assert_array_equal(turned[..., 0], 255 - clip[:, :, ::-1, 0])
    np.testing.assert_array_equal(turned[..., 1], clip[:, :, ::-1, 1])


def test_network_input_by_its_formula() -> None:
    rgb, flow = noise(2, 3, 3), noise(2, 3, 3, 2)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(network_input(rgb), np.moveaxis((rgb / 255 - mean) / std, -1, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network_input(flow), np.moveaxis((flow / 255 - 0.5) / 0.226, -1, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(network_input(flow, "kinetics"), np.moveaxis(flow / 127.5 - 1, -1, 0), rtol=1e-5, atol=1e-6)


def test_pictures_smaller_than_the_network_are_refused() -> None:
    for view in (lambda: centre_view(200, 320), lambda: random_view(At(0, 0, 0), 300, 223, 3)):
        with pytest.raises(DataError, match="smaller than the network's 224"):
            view()
