"""Poses of the same person made one: parametric pose non-maximum suppression (Fang et al., RMPE, ICCV 2017), for COCO's 17 joints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

#: distance within which scores count (pixels), spread of the distance term, its weight
NEAR, SPREAD, WEIGHT = 1.0, 2.65, 1.7
#: two poses are one person's if they are at least so alike, or so many joints coincide
ALIKE, MATCHED = 22.48, 5
#: a joint coincides within this part of the box, and within so many pixels for counting and for merging
PART, MOST_MATCHED, MOST_MERGED = 0.1, 7.0, 15.0
#: a person whose best joint is below this is dropped
LEAST = 0.3
#: share of a pose's own box that is compared with the least area
GROWN_AREA = 1.5 * 1.5


@dataclass(frozen=True)
class Kept:
    """``picked`` (m,): the leading pose of each group; ``poses`` (m, 17, 2) and ``scores`` (m, 17, 1) merged; ``boxes`` (m, 4) and
    ``box_scores`` (m, 1) of the leading pose; ``members``: which poses each group had."""

    picked: npt.NDArray[np.int64]
    poses: Floats
    scores: Floats
    boxes: Floats
    box_scores: Floats
    members: tuple[tuple[int, ...], ...]


def pose_nms(poses: Floats, scores: Floats, boxes: Floats, box_scores: Floats, least_area: float = 0.0) -> Kept:
    """Group and merge the poses (n, 17, 2) of one picture, with ``scores`` (n, 17, 1), ``boxes`` (n, 4) as x1, y1, x2, y2 and
    ``box_scores`` (n, 1). A group whose pose times 1.5 is smaller than ``least_area`` is dropped."""
    poses, boxes = np.asarray(poses, np.float32), np.asarray(boxes, np.float32)
    scores = np.where(scores == 0, np.float32(1e-5), np.asarray(scores, np.float32))
    reference = np.float32(PART) * np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    means = scores.mean((1, 2))
    left = np.arange(len(poses))
    picked: list[int] = []
    merged: list[tuple[Floats, Floats]] = []
    members: list[tuple[int, ...]] = []
    while len(left):
        leader = int(left[np.argmax(means[left])])
        away = np.linalg.norm(poses[left] - poses[leader], axis=2)
        same = grouped(away, scores[leader, :, 0], scores[left, :, 0], float(reference[leader]))
        same |= left == leader
        group, near = left[same], away[same]
        left = left[~same]
        if scores[leader].max() < LEAST:
            continue
        pose, score = merge(poses[group], scores[group], near, float(reference[leader]))
        width, height = np.ptp(pose, axis=0)
        if score.max() < LEAST or GROWN_AREA * width * height < least_area:
            continue
        picked.append(leader)
        merged.append((pose, score))
        members.append(tuple(group.tolist()))
    joints = poses.shape[1]
    order = np.array(picked, np.int64)
    return Kept(
        order,
        np.array([pose for pose, _ in merged], np.float32).reshape(-1, joints, 2),
        np.array([score for _, score in merged], np.float32).reshape(-1, joints, 1),
        boxes[order],
        np.asarray(box_scores, np.float32).reshape(-1, 1)[order],
        tuple(members),
    )


def grouped(away: Floats, leading: Floats, others: Floats, reference: float) -> npt.NDArray[np.bool_]:
    """Which poses are the leader's person: ``away`` (m, 17) is how far their joints are from its own, ``leading`` (17,) and ``others``
    (m, 17) are the scores of both."""
    both = np.tanh(leading) * np.tanh(others) * (away <= NEAR)
    alike = both.sum(1) + WEIGHT * np.exp(-away / SPREAD).sum(1)
    coincide = (away / min(reference, MOST_MATCHED) <= 1).sum(1)
    same: npt.NDArray[np.bool_] = (alike > ALIKE) | (coincide >= MATCHED)
    return same


def merge(poses: Floats, scores: Floats, away: Floats, reference: float) -> tuple[Floats, Floats]:
    """One pose (17, 2) and scores (17, 1) of a group: joint by joint, the mean of those near the leader's, weighed by their scores."""
    near = (away <= min(reference, MOST_MERGED))[..., None]
    kept = scores * near
    weights = kept / kept.sum(0, keepdims=True)
    return (poses * weights).sum(0), (scores * weights).sum(0)


def person_scores(scores: Floats, box_scores: Floats) -> Floats:
    """Score of each person (m,): mean of the joints' scores (m, 17, 1), the box's (m, 1), and 1.25 times the best joint's; may exceed 1."""
    score: Floats = scores.mean((1, 2)) + np.asarray(box_scores, np.float32).reshape(-1) + np.float32(1.25) * scores.max((1, 2))
    return score
