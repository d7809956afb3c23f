"""Which frames are seen, and how."""

from __future__ import annotations

import random

import numpy as np
import pytest

from cache.errors import ConfigError, DataError
from systems.litemkd.frames import frame_indices
from systems.litemkd.views import centre_view, network_input, resize, short_side, view


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (9, [0, 1, 2, 3, 4, 5, 6, 8]),
        (10, [0, 1, 2, 3, 5, 6, 7, 9]),
        (11, [1, 2, 3, 4, 5, 6, 7, 9]),
        (30, [1, 4, 8, 12, 16, 20, 24, 28]),
    ],
)
def test_frames_are_evenly_placed_within_the_first_and_the_last(count: int, expected: list[int]) -> None:
    assert frame_indices(count) == expected


@pytest.mark.parametrize("count", [8, 9, 10, 17, 18, 19, 40, 300])
def test_drawn_frames_stay_in_the_video_and_in_order(count: int) -> None:
    for seed in range(40):
        found = frame_indices(count, random.Random(seed))
        assert len(found) == 8 and found == sorted(set(found)) and found[0] >= 0 and found[-1] < count
        assert found[0] <= 5 and found[-1] >= count - 6


def test_a_short_video_is_refused() -> None:
    with pytest.raises(DataError, match="a video of 7 frames; 8 are needed"):
        frame_indices(7)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("crop", "short"), [(224, 256), (84, 96), (112, 128)])
def test_pictures_are_resized_to_eight_sevenths_of_the_crop(crop: int, short: int) -> None:
    assert short_side(crop) == short
    assert resize(picture(40, 61), short).shape == (2, short, int(short * 61 / 40), 3)
    assert view(picture(61, 40), crop).shape == (2, crop, crop, 3)


def test_another_size_is_refused_with_one_that_goes() -> None:
    with pytest.raises(ConfigError, match="image_size = 100") as error:
        short_side(100)
    assert "98" in error.value.hint


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    clip = picture(32, 48)
    assert np.array_equal(view(clip, 28), clip[:, 2:30, 10:38])


def test_the_middle_is_the_even_one_of_two() -> None:
    assert centre_view(33, 35, 28) == (False, 4, 2)


def test_all_frames_of_a_clip_are_cropped_and_mirrored_alike() -> None:
    clip = np.repeat(picture(32, 40)[:1], 3, axis=0)
    seen = [view(clip, 28, random.Random(seed)) for seed in range(8)]
    assert all((frames == frames[0]).all() for frames in seen)
    assert len({frames.tobytes() for frames in seen}) > 1


def test_networks_see_numbers_from_0_to_1_or_as_imagenet() -> None:
    clip = np.full((1, 2, 2, 3), 255, np.uint8)
    assert network_input(clip).shape == (1, 3, 2, 2) and (network_input(clip) == 1).all()
    assert network_input(clip, normalise=True)[0, :, 0, 0] == pytest.approx([2.2489, 2.4286, 2.64], abs=1e-3)
