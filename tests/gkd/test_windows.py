"""Windows of videos: where they begin, which instances belong to them, and what is said of videos that give none."""

from __future__ import annotations

import numpy as np
import pytest

from cache.errors import DataError
from systems.gkd.detection.tables import VideoInfo
from systems.gkd.detection.windows import boundary_maps, offsets, sampled_rows, targets, training_windows, video_windows


@pytest.mark.parametrize(
    ("count", "stride", "begins"),
    [
        (1, 128, [0]),
        (255, 128, [0]),
        (256, 128, [0]),
        (257, 128, [0, 1]),
        (384, 128, [0, 128]),
        (385, 128, [0, 128, 129]),
        (316, 30, [0, 30, 60]),
    ],
)
def test_the_last_window_ends_with_the_video(count: int, stride: int, begins: list[int]) -> None:
    assert offsets(count, stride) == begins


def test_a_video_without_frames_has_no_window() -> None:
    with pytest.raises(DataError, match="0 sampled frames"):
        offsets(0, 128)


def test_every_frame_is_in_a_window_and_no_window_reaches_over_the_end() -> None:
    for count in range(1, 700, 7):
        begins = offsets(count, 128)
        seen = {frame for begin in begins for frame in range(begin, begin + 256)}
        assert set(range(count)) <= seen and max(begins) + 256 == max(count, 256)


def test_an_instance_belongs_to_a_window_by_half_and_is_cut_to_it() -> None:
    rows = np.array([[10.0, 50.0, 1], [246.0, 266.0, 2], [250.0, 290.0, 3]])
    (first, *_), _ = video_windows("v", rows, 400)
    assert first.offset == 0
    assert first.rows.tolist() == [[10, 50, 1], [246, 256, 2]]


def test_a_window_without_a_whole_instance_is_left_out_but_its_cut_ones_count_for_the_shortest() -> None:
    rows = np.array([[250.0, 261.5, 1]])
    windows, shortest = video_windows("v", rows, 400, stride=100)
    assert [window.offset for window in windows] == [100, 144]
    assert shortest == 6  # 250 to 256 of window 0


def test_the_shortest_instance_of_a_short_video_counts_whole() -> None:
    windows, shortest = video_windows("v", np.array([[10.0, 19.5, 1], [30.0, 60.0, 1]]), 100)
    assert (len(windows), shortest) == (1, 10)


def test_an_instance_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(DataError, match="v: instance 1 does not end after it begins"):
        video_windows("v", np.array([[1.0, 9.0, 1], [9.0, 9.0, 1]]), 100)


def test_videos_that_are_not_trained_on_are_named_with_the_reason() -> None:
    infos = {name: VideoInfo(30, 10, 1200, 400) for name in ("plain", "empty", "long", "late")}
    rows = {
        "plain": np.array([[300.0, 360, 1]]),
        "long": np.array([[30.0, 1170, 1]]),
        "late": np.array([[300.0, 360, 1], [1190, 1230, 2]]),
        "uncounted": np.array([[300.0, 360, 1]]),
    }
    found = training_windows(infos, rows)
    assert {window.video for window in found.windows} == {"plain", "late"}
    assert "no instance" in found.notes["empty"] and "as a whole" in found.notes["long"]
    assert found.notes["late"] == "1 of its instances end after its 400 sampled frames"
    assert "table of videos lacks it" in found.notes["uncounted"] and "plain" not in found.notes


def test_windows_end_where_the_arrays_end_and_instances_keep_their_places() -> None:
    info, rows = {"v": VideoInfo(30, 10, 1200, 400)}, {"v": np.array([[1080.0, 1170, 1]])}
    whole, less = training_windows(info, rows), training_windows(info, rows, available={"v": 397})
    assert (whole.windows[-1].offset, less.windows[-1].offset) == (144, 141)
    assert less.windows[-1].rows[0, 0] == whole.windows[-1].rows[0, 0] + 3


def test_times_scale_with_the_counts_and_not_with_the_rates() -> None:
    rows = sampled_rows(np.array([[100.0, 200, 5]]), VideoInfo(29.97, 10, 500, 166))
    assert rows == pytest.approx(np.array([[33.2, 66.4, 5]]))


def test_boundaries_are_a_tenth_wide_at_least_two_frames_and_clipped() -> None:
    starts, ends = boundary_maps([[2.0, 102.0, 1]])
    assert np.flatnonzero(starts).tolist() == list(range(8))  # -3 to 7
    assert np.flatnonzero(ends).tolist() == list(range(97, 108))
    starts, ends = boundary_maps([[10.5, 14.5, 1]])
    assert (np.flatnonzero(starts).tolist(), np.flatnonzero(ends).tolist()) == ([10, 11, 12], [14, 15, 16])  # 9.5, 11.5: half to even


def test_targets_are_shares_of_the_window() -> None:
    assert targets(np.array([[64.0, 128, 7]])).tolist() == [[0.25, 0.5, 7]]
