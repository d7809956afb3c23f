"""From raw outputs to segments: by hand for one position, whatever the video's length, with what is no number left out and counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from cache.errors import DataError
from systems.gkd.detection.decode import Decoding, Outputs, candidates, fused, segments
from systems.gkd.detection.inference import fused_outputs, outputs

CLASSES = ("jump", "dive")
DECODING = Decoding(last="kept")


def said(windows: int = 1, positions: int = 1, **changes: Any) -> Outputs:
    zeros = {
        "loc": np.full((windows, positions, 2), 10, np.float32),
        "conf": np.zeros((windows, positions, 3), np.float32),
        "prop_loc": np.zeros((windows, positions, 2), np.float32),
        "prop_conf": np.zeros((windows, positions, 3), np.float32),
        "center": np.full((windows, positions, 1), 50, np.float32),
        "priors": (np.arange(positions, dtype=np.float32)[:, None] + 0.5) / positions,
    }
    return Outputs(**zeros | {name: np.asarray(value, np.float32) for name, value in changes.items()})


def test_a_position_becomes_a_segment_on_the_videos_own_time() -> None:
    found = candidates(said(loc=[[[20, 30]]], prop_loc=[[[0.2, -0.4]]], conf=[[[0, np.log(2), 0]]], center=[[[0]]]), [100], 10.0)
    assert found.segments == pytest.approx(np.array([[(128 - 25 + 100) / 10, (128 + 20 + 100) / 10]]))
    assert found.scores == pytest.approx(np.array([[(1 / 4 + 1 / 3) / 4, (1 / 2 + 1 / 3) / 4, (1 / 4 + 1 / 3) / 4]]))


def test_segments_end_with_their_window() -> None:
    found = candidates(said(loc=[[[1000, 2000]]]), [50], 10.0)
    assert found.segments.tolist() == [[5.0, pytest.approx(30.6)]]


def test_detections_stand_class_by_class_in_the_order_of_windows() -> None:
    found = segments(said(windows=3), [0, 300, 600], 10.0, CLASSES, DECODING)
    assert [one.label for one in found.detections] == ["jump"] * 3 + ["dive"] * 3
    assert [one.start for one in found.detections[:3]] == pytest.approx([11.8, 41.8, 71.8])
    lost = segments(said(windows=3), [0, 300, 600], 10.0, CLASSES)
    assert len(lost.detections) == 4  # one of each class less, as published


def test_only_scores_above_the_threshold_are_candidates() -> None:
    unsure = said(conf=[[[20, 0, 0]]], prop_conf=[[[20, 0, 0]]])
    assert segments(unsure, [0], 10.0, CLASSES, DECODING).detections == []
    assert len(segments(unsure, [0], 10.0, CLASSES, replace(DECODING, threshold=0.0, kept=0.0)).detections) == 2


@pytest.mark.parametrize("name", ["loc", "conf", "prop_loc", "prop_conf", "center"])
def test_positions_with_a_number_that_is_none_are_left_out_and_counted(name: str) -> None:
    outputs = said(windows=2, positions=5)
    getattr(outputs, name)[1, 3, 0] = np.nan
    found = segments(outputs, [0, 256], 10.0, CLASSES, DECODING)
    assert found.non_finite == 1 and np.isfinite([one.score for one in found.detections]).all()
    assert len(candidates(outputs, [0, 256], 10.0).segments) == 9


def test_segments_that_do_not_end_after_they_begin_are_counted() -> None:
    assert segments(said(loc=[[[-20, 10]]]), [0], 10.0, CLASSES, DECODING).empty == 2


def test_other_numbers_of_windows_or_classes_are_refused() -> None:
    with pytest.raises(DataError, match="1 windows of outputs, where 2"):
        segments(said(), [0, 128], 10.0, CLASSES)
    with pytest.raises(DataError, match="knows 2 classes, and there are 1 names"):
        segments(said(), [0], 10.0, CLASSES[:1])
    with pytest.raises(DataError, match="1 and 2 windows"):
        fused(said(), said(windows=2))


def test_fused_outputs_are_the_mean_of_distances_and_logits() -> None:
    mean = fused(said(), said(loc=[[[20, 40]]], center=[[[0]]]))
    assert mean.loc.tolist() == [[[15, 25]]] and mean.center.tolist() == [[[25]]] and mean.priors.tolist() == [[0.5]]


class Bright:
    """Says that an action is where a window of 8 frames is bright: as far to both sides as its mean."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, clip: torch.Tensor) -> Outputs:
        self.seen.append(tuple(clip.shape))
        level = clip.mean() + 1
        parts = said(positions=2, loc=np.full((1, 2, 2), float(level)))
        return Outputs(*map(torch.from_numpy, parts))


@pytest.mark.parametrize(("frames", "begins"), [(3, [0]), (8, [0]), (21, [0, 4, 8, 12, 13])])
def test_a_video_of_any_length_is_seen_window_by_window(frames: int, begins: list[int]) -> None:
    network, array = Bright(), np.full((frames, 12, 12, 3), 255, np.uint8)
    found, places = outputs(network, array, length=8, stride=4, side=10)
    assert places == begins and network.seen == [(1, 3, 8, 10, 10)] * len(begins) and found.loc.shape == (len(begins), 2, 2)
    assert found.loc[0, 0, 0] == pytest.approx(2.0 if frames >= 8 else 1 + frames / 8)  # grey is 0
    detections = segments(found, places, 10.0, CLASSES, replace(DECODING, length=8)).detections
    assert len(detections) > 0 and max(one.end for one in detections) <= max(frames, 8) / 10 + 1e-6


def test_rgb_and_flow_are_averaged_and_a_missing_one_is_named() -> None:
    rgb, flow = np.full((8, 12, 12, 3), 255, np.uint8), np.zeros((8, 12, 12, 2), np.uint8)
    networks = {"rgb": Bright(), "flow": Bright()}
    options = {"length": 8, "stride": 4, "side": 10}
    assert fused_outputs(networks, {"rgb": rgb, "flow": flow}, **options)[0].loc[0, 0, 0] == pytest.approx(1.0)
    assert fused_outputs({"flow": networks["flow"]}, {"rgb": rgb, "flow": flow}, **options)[0].loc[0, 0, 0] == pytest.approx(0.0)
    with pytest.raises(DataError, match="has no flow"):
        fused_outputs(networks, {"rgb": rgb}, **options)
