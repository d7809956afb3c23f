"""Clip indices: the original's numbers, and what must hold for any length."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import ConfigError
from stages.sample.clips import clip_indices, is_padded

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "videoqa" / "clip_indices.json").read_text())


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: f"{case['total_frames']}x{case['num_clips']}")
def test_clips_are_those_of_the_original(case: dict) -> None:
    expected = case.get("frames_list_array_variant", case["frames_list"])
    assert clip_indices(case["total_frames"], case["num_clips"], GOLDEN["frames_per_clip"]).tolist() == expected


lengths = st.integers(1, 5000)
clips = st.integers(1, 40)
halves = st.integers(1, 16)


@given(lengths, clips, halves)
def test_every_clip_is_full_in_range_and_in_order(total: int, count: int, half: int) -> None:
    index = clip_indices(total, count, 2 * half)
    assert index.shape == (count, 2 * half) and index.dtype == np.int32
    assert index.min() >= 0 and index.max() < total
    assert (np.diff(index, axis=1) >= 0).all()
    assert (np.diff(index[:, 0]) >= 0).all()


@given(lengths, clips, halves)
def test_a_clip_away_from_the_ends_is_consecutive(total: int, count: int, half: int) -> None:
    for number, clip in enumerate(clip_indices(total, count, 2 * half).tolist(), start=1):
        centre = int(np.linspace(0, total, count + 2, dtype=np.int32)[number])
        if half <= centre <= total - half:
            assert clip == list(range(centre - half, centre + half))


@given(lengths, clips, halves)
def test_only_short_videos_are_padded(total: int, count: int, half: int) -> None:
    padded = is_padded(clip_indices(total, count, 2 * half))
    first = int(np.linspace(0, total, count + 2, dtype=np.int32)[1])
    last = int(np.linspace(0, total, count + 2, dtype=np.int32)[count])
    if half <= first and last + half <= total:
        assert not padded
    if first < half and total > 1 and last + half <= total:
        assert padded


def test_a_video_of_one_frame_is_that_frame() -> None:
    assert clip_indices(1, 3).tolist() == [[0] * 16] * 3


def test_no_frames_no_clips() -> None:
    with pytest.raises(ValueError, match="without frames"):
        clip_indices(0, 8)


@pytest.mark.parametrize(("count", "frames"), [(0, 16), (-1, 16), (8, 0), (8, 15), (8, -2)])
def test_impossible_numbers_are_refused_by_name(count: int, frames: int) -> None:
    with pytest.raises(ConfigError, match="sample.num_clips" if count < 1 else "sample.frames_per_clip"):
        clip_indices(100, count, frames)
