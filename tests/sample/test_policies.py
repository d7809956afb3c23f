"""Which frames each policy keeps: the originals' numbers, and what must hold for any video."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.sample import SampleParams
from stages.sample.policies import POLICIES, Choice, all_indices, clip_indices, even_indices, is_padded, rate_indices, with_next

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "videoqa" / "clip_indices.json").read_text())

lengths = st.integers(1, 5000)
counts = st.integers(1, 40)
#: seconds of the frames of videos of constant and of variable rate, which begin anywhere; a stamp may come twice
steps = st.lists(st.sampled_from([0.0, 0.001, 0.04, 1 / 30, 0.1, 0.7, 3.0]), max_size=60)
videos = st.builds(lambda begin, gaps: [round(begin + t, 6) for t in np.cumsum([0.0, *gaps]).tolist()], st.sampled_from([0.0, 1.2]), steps)
rates = st.sampled_from([1.0, 3.0, 8.0, 10.0, 30.0, 12.5])
takes = st.sampled_from(["shown", "last", "next"])


def steady(rate: float, count: int, digits: int = 6) -> list[float]:
    """Times of ``count`` frames of a constant rate, as a container rounds them."""
    return [round(number / rate, digits) for number in range(count)]


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['total_frames']}x{case['num_clips']}")
def test_clips_are_those_of_the_original(case: dict) -> None:
    expected = case.get("frames_list_array_variant", case["frames_list"])
    assert clip_indices(case["total_frames"], case["num_clips"], GOLDEN["frames_per_clip"]).tolist() == expected


@given(lengths, counts, st.integers(1, 33))
def test_every_clip_is_full_in_range_and_in_order(total: int, clips: int, frames: int) -> None:
    index = clip_indices(total, clips, frames)
    assert index.shape == (clips, frames) and index.dtype == np.int32
    assert index.min() >= 0 and index.max() < total
    assert (np.diff(index, axis=1) >= 0).all()
    assert (np.diff(index[:, 0]) >= 0).all()


@given(lengths, counts, st.integers(1, 33))
def test_a_clip_away_from_the_ends_is_consecutive_around_its_centre(total: int, clips: int, frames: int) -> None:
    before, after = frames // 2, frames - frames // 2
    for number, clip in enumerate(clip_indices(total, clips, frames).tolist(), start=1):
        centre = int(np.linspace(0, total, clips + 2, dtype=np.int32)[number])
        if before <= centre <= total - after:
            assert clip == list(range(centre - before, centre + after))
            assert frames % 2 == 0 or clip[frames // 2] == centre


@given(lengths, counts, st.integers(1, 33))
def test_only_short_videos_are_padded(total: int, clips: int, frames: int) -> None:
    padded = is_padded(clip_indices(total, clips, frames))
    before, after = frames // 2, frames - frames // 2
    first, last = np.linspace(0, total, clips + 2, dtype=np.int32)[[1, clips]].tolist()
    if before <= first and last + after <= total:
        assert not padded
    if first < before and total > 1 and last + after <= total:
        assert padded


def test_a_video_of_one_frame_is_that_frame() -> None:
    assert clip_indices(1, 3).tolist() == [[0] * 16] * 3
    assert clip_indices(1, 2, 3).tolist() == [[0] * 3] * 2


@pytest.mark.parametrize(("total", "clips", "frames"), [(0, 8, 16), (100, 0, 16), (100, -1, 16), (100, 8, 0)])
def test_no_frames_no_clips(total: int, clips: int, frames: int) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        clip_indices(total, clips, frames)


@pytest.mark.parametrize(
    ("total", "frames", "expected"),
    [
        (8, 8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (9, 8, [0, 1, 2, 3, 4, 5, 6, 8]),
        (100, 8, [0, 14, 28, 42, 56, 70, 84, 99]),
        (3, 8, [0, 0, 0, 0, 1, 1, 1, 2]),
        (1, 4, [0, 0, 0, 0]),
        (50, 1, [0]),
        (50, 2, [0, 49]),
    ],
)
def test_even_places(total: int, frames: int, expected: list[int]) -> None:
    assert even_indices(total, frames).tolist() == [expected]


@given(lengths)
def test_eight_even_places_are_those_of_the_few_shot_tools(total: int) -> None:
    assert even_indices(total, 8).tolist() == [np.floor(np.linspace(0, total - 1, 8)).astype(int).tolist()]


@given(lengths, st.integers(2, 400))
def test_even_places_go_from_the_first_to_the_last_and_repeat_only_in_short_videos(total: int, frames: int) -> None:
    index = even_indices(total, frames)
    assert index.shape == (1, frames) and index.dtype == np.int32
    assert (index[0, 0], index[0, -1]) == (0, total - 1)
    steps = np.diff(index[0])
    assert steps.min() >= 0 and steps.max() - steps.min() <= 1
    assert is_padded(index) == (total < frames)


@pytest.mark.parametrize(
    ("rate", "count", "first", "last", "number"),
    [  # XKD's loader at 8 fps, whole videos
        (25, 60, [0, 3, 6, 9, 12, 15, 18, 21, 25, 28], [50, 53, 56], 19),
        (30, 75, [0, 3, 7, 11, 15, 18, 22, 26, 30, 33], [63, 67, 71], 20),
        (30000 / 1001, 70, [0, 3, 7, 11, 14, 18, 22, 26, 29, 33], [56, 59, 63], 18),
        (15, 40, [0, 1, 3, 5, 7, 9, 11, 13, 15, 16], [33, 35, 37], 21),
        (6, 30, [0, 0, 1, 2, 3, 3, 4, 5, 6, 6], [27, 28, 29], 40),
    ],
)
@pytest.mark.parametrize("digits", [6, 3])
def test_shown_frames_are_those_of_xkd(rate: float, count: int, first: list[int], last: list[int], number: int, digits: int) -> None:
    (index,) = rate_indices(steady(rate, count, digits), 8.0).tolist()
    assert (index[:10], index[-3:], len(index)) == (first, last, number)


@given(
    st.sampled_from([Fraction(24), Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(50), Fraction(60)]), st.integers(10, 3000)
)
def test_last_frames_are_those_that_a_counter_keeps_as_for_thumos14(rate: Fraction, count: int) -> None:
    kept, counter = [], Fraction(0)
    for number in range(count):
        counter += 1
        if counter >= rate / 10:
            kept.append(number)
            counter -= rate / 10
    assert rate_indices(steady(float(rate), count), 10.0, "last").tolist() == [kept]


@pytest.mark.parametrize(
    ("times", "take", "expected"),
    [
        ([0, 0.4, 0.9, 1.1, 1.9, 2.0, 2.5], "next", [0, 3, 5]),
        ([0, 0.4, 0.9, 1.1, 1.9, 2.0, 2.5], "shown", [0, 2]),
        ([0, 0.4, 0.9, 1.1, 1.9, 2.0, 2.5], "last", [2, 4]),
        ([5.0, 5.5, 6.0], "next", [0, 2]),
        ([5.0, 5.5, 6.0], "shown", [0]),
        ([0, 2.0, 4.0], "next", [0, 1, 1, 2, 2]),
        ([0, 2.0, 4.0], "shown", [0, 0, 1, 1, 2, 2]),
        ([0, 2.0, 4.0], "last", [0, 0, 1, 1, 2, 2]),
        ([3.0], "shown", [0]),
        ([3.0], "last", [0]),
        ([3.0], "next", [0]),
        ([0, 0.333, 0.667, 1.0], "shown", [0]),
    ],
)
def test_one_frame_a_second_of_a_variable_rate(times: list[float], take: str, expected: list[int]) -> None:
    assert rate_indices(times, 1.0, take).tolist() == [expected]


@given(videos, rates, takes, st.sampled_from([0.0, 0.5, 2.0, 1000.0]))
def test_a_rate_keeps_frames_in_order_each_the_one_of_its_moment(times: Sequence[float], rate: float, take: str, seconds: float) -> None:
    index = rate_indices(times, rate, take, seconds)
    assert index.shape[0] == 1 and index.shape[1] >= 1 and index.dtype == np.int32
    assert index.min() >= 0 and index.max() < len(times)
    assert (np.diff(index[0]) >= 0).all()
    if seconds:
        assert index.shape[1] <= np.ceil(seconds * rate)
    since, slack = np.array(times) - times[0], 0.6e-3
    for k, number in enumerate(index[0].tolist()):
        moment = (k + (take == "last")) / rate
        if take == "next":
            assert since[number] >= moment - slack and (since[:number] < moment + slack).all()
        elif number + 1 < len(times):
            assert since[number + 1] > moment - slack


@given(st.sampled_from([10, 24, 30]), st.integers(1, 300))
def test_a_video_of_the_rate_asked_for_is_kept_whole_and_without_repeats(rate: int, count: int) -> None:
    for digits in (6, 3):
        for take in ("shown", "last", "next"):
            (index,) = rate_indices(steady(rate, count, digits), float(rate), take).tolist()
            assert index == list(range(count))


@given(lengths, st.floats(0.01, 300))
def test_everything_is_every_frame_or_those_of_the_beginning(total: int, seconds: float) -> None:
    times = [1.5 + 0.1 * number for number in range(total)]
    assert all_indices(total).tolist() == [list(range(total))]
    (index,) = all_indices(total, times, seconds).tolist()
    assert index == [number for number in range(total) if number == 0 or times[number] - times[0] < seconds]


def test_every_policy_of_frames_can_be_asked_for_and_only_those_that_read_times_wait_for_them() -> None:
    choices = {name for name in SampleParams.__dataclass_fields__["policy"].metadata["choices"] if name != "audio"}
    assert choices == set(POLICIES)
    asked = [SampleParams(), SampleParams(policy="even"), SampleParams(policy="all")]
    timed = [SampleParams(policy="rate"), SampleParams(policy="all", seconds=1.0)]
    assert all(Choice(params)(20, None) for params in asked)
    assert [Choice(params)(20, None) for params in timed] == [None, None]
    assert [len(Choice(params)(20, steady(10, 20)) or ()) for params in timed] == [16, 10]


@pytest.mark.parametrize(
    ("params", "count", "says"),
    [
        (SampleParams(num_clips=2, frames_per_clip=4), 3, "3 frames are too few for 2 clips of 4: frames are repeated"),
        (SampleParams(num_clips=2, frames_per_clip=4), 30, ""),
        (SampleParams(policy="even"), 7, "7 frames are too few for 8: frames are repeated"),
        (SampleParams(policy="even"), 8, ""),
        (SampleParams(policy="rate", fps=12.5), 30, "some frames last longer than 1/12.5 s: they are repeated"),
        (SampleParams(policy="rate", fps=5.0), 30, ""),
        (SampleParams(policy="all"), 1, ""),
    ],
)
def test_a_video_whose_frames_are_repeated_says_so(params: SampleParams, count: int, says: str) -> None:
    choice = Choice(params)
    choice(count, steady(10, count))
    assert choice.shortage(count) == says == (says if is_padded(choice.index) else "")


@pytest.mark.parametrize("gaps", [[0.0] * 5, [0.04, 0.0, 0.0, 0.04]])
def test_frames_of_one_time_are_no_reason_to_fail(gaps: list[float]) -> None:
    times = np.cumsum([0.0, *gaps]).tolist()
    assert all(a <= b for a, b in pairwise(times))
    for take in ("shown", "last", "next"):
        assert rate_indices(times, 8.0, take).shape == (1, 1)


@given(numbers=st.sets(st.integers(0, 39), min_size=1), more=st.integers(0, 5))
def test_beside_each_frame_lies_the_next_one_and_beside_the_last_the_one_before(numbers: set[int], more: int) -> None:
    count = max(numbers) + 1 + more
    kept = with_next(sorted(numbers), count)
    assert kept == sorted(set(kept)) and numbers <= set(kept) <= set(range(count))
    assert all(number + 1 in kept if number + 1 < count else number - 1 in kept or count == 1 for number in numbers)
    assert len(kept) <= 2 * len(numbers)
