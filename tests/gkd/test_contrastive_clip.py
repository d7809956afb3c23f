"""The contrastive clip: frames change places, none is lost where the background lies outside of the action, and the seed decides."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.crops import At, picks
from systems.gkd.detection.contrastive_clip import contrastive

ACTION, BEHIND = [[60.0, 120.4]], [[3.0, 100.2]]


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("actions", [ACTION, BEHIND, [[20.5, 70.2], [90.1, 160.3], [200.0, 255.0]]])
def test_frames_only_change_places_and_the_piece_is_background(seed: int, actions: list[list[float]]) -> None:
    moved = contrastive(actions, 12, 256, picks(At(seed, 0, 0)))
    assert moved.found and sorted(moved.frames) == list(range(256))
    _, (_, _), (start, end) = moved.segments.tolist()
    inserted = moved.frames[int(start) - 1 : int(end) + 1]
    assert len(inserted) == 12 and (np.diff(inserted) == 1).all()
    assert not any(first < frame < last for first, last in actions for frame in inserted.tolist())


def test_both_parts_of_the_action_keep_their_length_and_frames() -> None:
    moved = contrastive(ACTION, 12, 256, picks(At(3, 1, 4)))
    (start, cut), (again, end), _ = moved.segments.tolist()
    assert (cut - start) + (end - again) == pytest.approx(120.4 - 60.0, abs=1e-4)
    parts = np.concatenate([moved.frames[int(np.ceil(start)) : int(cut)], moved.frames[int(again) : int(end)]])
    assert parts.tolist() == list(range(60, 60 + len(parts)))


def test_no_long_action_and_no_background_leave_the_clip_as_it_is() -> None:
    for actions in ([[30.0, 40.0]], [[0.0, 255.0]], np.empty((0, 2))):
        moved = contrastive(actions, 12, 256, picks(At(0, 0, 0)))
        assert not moved.found and moved.frames.tolist() == list(range(256)) and len(moved.segments) == len(actions)


def test_the_choice_is_a_function_of_seed_epoch_and_item() -> None:
    places = [At(seed, epoch, item) for seed in (0, 1) for epoch in (0, 1) for item in (0, 1)]
    once, again = ([contrastive(ACTION, 12, 256, picks(at)).segments.tolist() for at in order] for order in (places, places))
    assert once == again
    assert len({str(segments) for segments in once}) > 4


def test_choices_of_one_place_follow_one_another_and_are_even() -> None:
    pick = picks(At(7, 0, 0))
    counted = np.bincount([pick(5) for _ in range(5000)], minlength=5)
    assert len(counted) == 5 and abs(counted - 1000).max() < 130  # 4 deviations are 113
