"""Crops, flips and offsets are functions of seed, epoch and item, and of nothing else; and they are spread as they should be."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from models.training.crops import At, Box, crop, flip, normals, offset, resized_crop, uniforms

words = st.integers(0, 2**64 - 1)
ats = st.builds(At, words, words, words, st.integers(0, 7))
sides = st.integers(1, 400)
sizes = st.tuples(sides, sides)


def draws(at: At) -> tuple[object, ...]:
    """Everything that can be drawn for one view of one item."""
    return offset(at, 1000), crop(at, (256, 340), (224, 224)), resized_crop(at, (256, 340)), flip(at)


@given(ats, st.integers(0, 10**9))
def test_an_offset_leaves_room_for_the_window(at: At, room: int) -> None:
    assert 0 <= offset(at, room) <= room


@given(ats, sizes, sizes)
def test_a_crop_lies_in_the_picture_and_one_that_cannot_is_refused(at: At, size: tuple[int, int], window: tuple[int, int]) -> None:
    if window[0] > size[0] or window[1] > size[1]:
        with pytest.raises(ValueError, match="does not fit"):
            crop(at, size, window)
        return
    box = crop(at, size, window)
    assert (box.height, box.width) == window and _inside(box, size)
    assert crop(at, window, window) == Box(0, 0, *window)


@given(ats, sizes, st.sampled_from([(0.08, 0.4), (0.2, 1.0), (1.0, 1.0)]), st.sampled_from([(3 / 4, 4 / 3), (1.0, 1.0)]))
def test_a_resized_crop_lies_in_the_picture(at: At, size: tuple[int, int], area: tuple[float, float], ratio: tuple[float, float]) -> None:
    assert _inside(resized_crop(at, size, area, ratio), size)


@given(ats)
def test_a_resized_crop_has_the_area_and_the_shape_asked_for(at: At) -> None:
    box = resized_crop(at, (1000, 1000), (0.2, 0.5))
    assert 0.199 <= box.height * box.width / 1e6 <= 0.501
    assert 0.745 <= box.width / box.height <= 1.342


def test_where_no_shape_fits_the_largest_in_the_middle_is_taken() -> None:
    assert resized_crop(At(0, 0, 0), (10, 100), (1.0, 1.0)) == Box(0, 43, 10, 13)
    assert resized_crop(At(0, 0, 0), (100, 10), (1.0, 1.0)) == Box(43, 0, 13, 10)


@given(ats, ats)
def test_the_same_place_draws_the_same_and_another_one_something_else(one: At, other: At) -> None:
    assume(one != other)
    assert draws(one) == draws(one)
    assert _numbers(one) != _numbers(other)


def _numbers(at: At) -> list[int]:
    return [offset(at, 2**50), *crop(at, (2**50, 2**50), (1, 1))[:2]]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 10_000))
def test_neighbours_share_no_numbers(seed: int, epoch: int, index: int) -> None:
    near = [At(seed + s, epoch + e, index + i, view) for s in (0, 1) for e in (0, 1) for i in (0, 1) for view in (0, 1)]
    numbers = [number for at in near for number in _numbers(at)]
    assert len(set(numbers)) == len(numbers)


def test_neither_the_order_nor_the_workers_change_anything() -> None:
    places = [At(3, epoch, index) for epoch in range(3) for index in range(50)]
    expected = [draws(at) for at in places]
    assert [draws(at) for at in reversed(places)] == expected[::-1]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draws, places)) == expected
    assert [flip(at) for at in places[100:]] == [one[3] for one in expected[100:]]  # as after a kill, and without the other draws


def test_the_numbers_are_these_on_every_machine() -> None:
    assert draws(At(0, 0, 0)) == (11, (6, 25, 224, 224), (4, 66, 237, 253), True)
    assert draws(At(7, 2, 12345, 1)) == (536, (18, 75, 224, 224), (105, 172, 128, 119), False)


def test_every_place_is_as_likely_as_every_other() -> None:
    places = [At(1, epoch, index) for epoch in range(4) for index in range(2500)]
    for counts, expected in (
        (np.bincount([offset(at, 9) for at in places], minlength=10), 1000),
        (np.bincount([crop(at, (14, 8), (5, 8)).top for at in places], minlength=10), 1000),
        (np.bincount([flip(at) for at in places], minlength=2), 5000),
    ):
        assert ((counts - expected) ** 2 / expected).sum() < 30  # chi-squared of 9 degrees of freedom: 1 in 2000
    assert abs(np.mean([flip(at, 0.2) for at in places]) - 0.2) < 0.02
    assert not any(flip(at, 0.0) for at in places[:100]) and all(flip(at, 1.0) for at in places[:100])
    both = np.corrcoef([flip(at) for at in places], [offset(at, 999) for at in places])[0, 1]
    assert abs(both) < 0.05


def test_a_window_longer_than_the_item_is_refused() -> None:
    with pytest.raises(ValueError, match="5 longer"):
        offset(At(0, 0, 0), -5)


def test_torch_is_not_needed() -> None:
    code = "import sys; import models.training.crops; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0


def _inside(box: Box, size: tuple[int, int]) -> bool:
    return min(box[:2]) >= 0 and min(box[2:]) >= 1 and box.top + box.height <= size[0] and box.left + box.width <= size[1]


@given(ats, st.floats(-10, 10), st.floats(0, 10))
def test_numbers_that_follow_one_another_lie_between_their_bounds(at: At, low: float, room: float) -> None:
    first, second = uniforms(at), uniforms(at)
    numbers = [first(low, low + room) for _ in range(5)]
    assert all(low <= number <= low + room for number in numbers) and numbers == [second(low, low + room) for _ in range(5)]


def test_numbers_and_noise_are_spread_as_they_should_be_and_differ_from_place_to_place() -> None:
    drawn = [uniforms(At(0, 0, index))(0, 1) for index in range(4000)]
    assert abs(np.mean(drawn) - 0.5) < 0.02 and abs(np.std(drawn) - 12**-0.5) < 0.01 and len(set(drawn)) == 4000
    noise = normals(At(0, 0, 0), (100, 100))
    assert noise.dtype == np.float32 and abs(noise.mean()) < 0.04 and abs(noise.std() - 1) < 0.03
    assert np.array_equal(noise, normals(At(0, 0, 0), (100, 100))) and not np.array_equal(noise, normals(At(0, 0, 1), (100, 100)))
