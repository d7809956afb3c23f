"""Poses of one person made one."""

from __future__ import annotations

import numpy as np
import pytest

from models.experts.pose_nms import merge, person_scores, pose_nms


def poses(count: int, apart: float, seed: int = 0) -> np.ndarray:
    base = np.random.default_rng(seed).uniform(0, 100, (1, 17, 2)).astype(np.float32)
    return base + np.float32(apart) * np.arange(count, dtype=np.float32)[:, None, None]


def run(where: np.ndarray, scores: np.ndarray, **more: float):  # type: ignore[no-untyped-def]
    boxes = np.concatenate([where.min(1) - 5, where.max(1) + 5], 1)
    return pose_nms(where, scores.reshape(-1, 1, 1).repeat(17, 1).astype(np.float32), boxes, scores[:, None], **more)


def test_two_poses_of_the_same_person_are_merged_by_their_scores() -> None:
    kept = run(poses(2, 0.5), np.array([0.9, 0.6]))
    assert kept.picked.tolist() == [0] and kept.members == ((0, 1),)
    np.testing.assert_allclose(kept.poses[0], poses(2, 0.5)[0] + 0.5 * 0.6 / 1.5, rtol=1e-4)
    np.testing.assert_allclose(kept.scores[0], (0.81 + 0.36) / 1.5, rtol=1e-5)


def test_poses_far_apart_stay_and_the_surest_comes_first() -> None:
    kept = run(poses(3, 200.0), np.array([0.5, 0.9, 0.7]))
    assert kept.picked.tolist() == [1, 2, 0]
    np.testing.assert_array_equal(kept.poses[0], poses(3, 200.0)[1])


def test_five_joints_that_coincide_make_two_poses_one() -> None:
    where = poses(2, 300.0)
    for joints, expected in ((4, 2), (5, 1)):
        near = where.copy()
        near[1, :joints] = near[0, :joints] + 0.5
        scores = np.array([0.5, 0.4])
        boxes = np.concatenate([where[[0, 0]].min(1), where[[0, 0]].max(1)], 1)
        kept = pose_nms(near, scores.reshape(-1, 1, 1).repeat(17, 1).astype(np.float32), boxes, scores[:, None])
        assert len(kept.picked) == expected


def test_a_person_without_a_joint_above_the_least_is_dropped() -> None:
    kept = run(poses(2, 300.0), np.array([0.29, 0.31]))
    assert kept.picked.tolist() == [1]


def test_a_person_smaller_than_the_least_area_is_dropped() -> None:
    assert len(run(poses(1, 0), np.array([0.9]), least_area=2.25 * 100 * 100).picked) == 0


def test_nobody_stays_nobody() -> None:
    kept = pose_nms(np.zeros((0, 17, 2)), np.zeros((0, 17, 1)), np.zeros((0, 4)), np.zeros((0, 1)))
    assert kept.poses.shape == (0, 17, 2) and kept.boxes.shape == (0, 4) and kept.members == ()


def test_joints_far_from_the_leaders_are_not_mixed_in() -> None:
    where = poses(2, 0.0)
    where[1, 3] += 14.9
    away = np.linalg.norm(where - where[0], axis=2)
    scores = np.full((2, 17, 1), 0.5, np.float32)
    near, _ = merge(where, scores, away, reference=100.0)
    far, _ = merge(where, scores, away, reference=14.0)
    np.testing.assert_array_equal(far[3], where[0, 3])
    assert (near[3] > where[0, 3] + 7).all() or np.linalg.norm(away[1, 3]) > 15


def test_the_score_of_a_person_is_the_mean_and_the_box_and_the_best_joint() -> None:
    scores = np.full((1, 17, 1), 0.5, np.float32)
    scores[0, 4] = 1.0
    assert person_scores(scores, np.array([[0.25]])) == pytest.approx(9 / 17 + 0.25 + 1.25)
