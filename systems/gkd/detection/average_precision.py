"""tIoU, average precision and mAP of detections by the published rules (spec 6.3, those of ActivityNet's evaluator).

Where the published evaluator leaves the order to chance, it is fixed here: detections of equal score, and instances of equal tIoU, are
taken last first, as its reversed sort does where that is stable (lists of up to 16).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from systems.gkd.detection.instances import Instances

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: tIoU from which a detection counts: AFSD's, and those of the released distillation (D9).
AFSD = (0.3, 0.4, 0.5, 0.6, 0.7)
RELEASED = (0.1, 0.2, 0.3, 0.4, 0.5)


def tiou(segments: Floats, others: Floats) -> Floats:
    """Temporal intersection over union of (n, 2) with (m, 2) segments: (n, m)."""
    inside = np.minimum(segments[:, None, 1], others[:, 1]) - np.maximum(segments[:, None, 0], others[:, 0])
    inside = np.maximum(inside, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return inside / ((segments[:, None, 1] - segments[:, None, 0]) + (others[:, 1] - others[:, 0]) - inside)


def interpolated(precision: Floats, recall: Floats) -> float:
    """Area under a curve whose precision, at each recall, is the best one at this recall or a higher one."""
    precision, recall = np.concatenate([[0], precision, [0]]), np.concatenate([[0], recall, [1]])
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return float(np.sum((recall[steps] - recall[steps - 1]) * precision[steps]))


@dataclass(frozen=True)
class Scores:
    """Average precision (thresholds, classes), classes by their first appearance in the ground truth, and what was counted.

    instances, detections: how many were compared. unscored: video -> its detections that do not count, since the ground truth has
    nothing of this video. unknown: label -> detections of a class that no instance has. undetected: classes without any detection.
    """

    thresholds: tuple[float, ...]
    classes: tuple[str, ...]
    average_precision: Floats
    instances: int
    detections: int
    unscored: Mapping[str, int]
    unknown: Mapping[str, int]
    undetected: tuple[str, ...]

    @property
    def mean(self) -> Floats:
        """mAP at each threshold: (thresholds,)."""
        return self.average_precision.mean(axis=1)

    @property
    def average(self) -> float:
        """The mean of mAP over the thresholds."""
        return float(self.mean.mean())


def mean_average_precision(truth: Instances, found: Instances, thresholds: Sequence[float] = AFSD) -> Scores:
    """Score detections against a ground truth.

    Raises DataError if the ground truth is empty, or a time or a score is no finite number.
    """
    if not len(truth):
        raise DataError("the ground truth has no instance: there is nothing to score")
    _refuse_non_finite(truth, "ground truth")
    _refuse_non_finite(found, "detections")
    classes = {label: number for number, label in enumerate(dict.fromkeys(truth.labels))}
    videos = {video: number for number, video in enumerate(dict.fromkeys(truth.videos))}
    video, label = _codes(found.videos, videos), _codes(found.labels, classes)
    counted = np.flatnonzero((video >= 0) & (label >= 0))
    order = counted[np.argsort(found.scores[counted], kind="stable")[::-1]]
    order = order[_by(label[order])]  # class by class, best first
    group = label[order] * len(videos) + video[order]
    hits = _hits(
        found.segments[order], group, truth, _codes(truth.labels, classes) * len(videos) + _codes(truth.videos, videos), thresholds
    )
    ends = np.searchsorted(label[order], np.arange(len(classes) + 1))
    positives = np.bincount(_codes(truth.labels, classes), minlength=len(classes))
    found_precision = np.zeros((len(thresholds), len(classes)))
    for number in range(len(classes)):
        mine = hits[:, ends[number] : ends[number + 1]]
        ranks = np.arange(1, mine.shape[1] + 1)
        for row, true in zip(found_precision, np.cumsum(mine, axis=1)):
            row[number] = interpolated(true / ranks, true / positives[number]) if len(ranks) else 0.0
    return Scores(
        tuple(thresholds),
        tuple(classes),
        found_precision,
        len(truth),
        len(order),
        dict(Counter(found.videos[n] for n in np.flatnonzero(video < 0).tolist())),
        dict(Counter(found.labels[n] for n in np.flatnonzero(label < 0).tolist())),
        tuple(name for name, number in classes.items() if ends[number] == ends[number + 1]),
    )


def _refuse_non_finite(rows: Instances, what: str) -> None:
    wrong = ~np.isfinite(rows.segments).all(axis=1)
    if len(rows.scores):
        wrong |= ~np.isfinite(rows.scores)
    if wrong.any():
        first = rows.videos[int(wrong.argmax())]
        raise DataError(f"{what}: {int(wrong.sum())} of {len(rows)} have a time or a score that is no number; the first is of {first!r}")


def _codes(names: Sequence[str], numbers: Mapping[str, int]) -> Indices:
    """The number of each name, -1 for unknown ones."""
    return np.array(list(map(numbers.get, names, repeat(-1))), np.int64)


def _by(codes: Indices) -> Indices:
    """The stable order of codes from 0; as short integers they are sorted digit by digit, in linear time."""
    return np.argsort(codes.astype(np.min_scalar_type(codes.max(initial=0))), kind="stable")


def _hits(segments: Floats, group: Indices, truth: Instances, truth_group: Indices, thresholds: Sequence[float]) -> Flags:
    """Which of n detections, best first, are true: (thresholds, n). ``group``: the class and video of each; groups are matched apart."""
    hits = np.zeros((len(thresholds), len(segments)), bool)
    by_group, truth_by_group = _by(group), _by(truth_group)
    ordered, truth_ordered = group[by_group], truth_group[truth_by_group]
    for code in np.unique(truth_group):
        mine = by_group[slice(*np.searchsorted(ordered, (code, code + 1)))]
        if not len(mine):
            continue
        instances = truth_by_group[slice(*np.searchsorted(truth_ordered, (code, code + 1)))]
        overlap = tiou(truth.segments[instances], segments[mine])
        for row, threshold in zip(hits, thresholds):
            row[mine] = _matched(overlap, threshold)
    return hits


def _matched(overlap: Floats, threshold: float) -> Flags:
    """Which of n detections, in their order, get an instance: each the best one that is free and not below the threshold.

    ``overlap``: tIoU (m, n). Only detections that a free instance is near are looked at, so at most m of them are given one.
    """
    able = overlap >= threshold
    count = able.shape[1]
    found = np.zeros(count, bool)
    nearest = [_next(row, 0) for row in able]  # of each instance: the next detection that could have it
    while (place := min(nearest)) < count:
        rivals = [number for number, at in enumerate(nearest) if at == place]
        best = max(rivals, key=lambda number: (overlap[number, place], number)) if len(rivals) > 1 else rivals[0]
        found[place] = True
        for number in rivals:
            nearest[number] = count if number == best else _next(able[number], place + 1)
    return found


def _next(flags: Flags, start: int) -> int:
    """The place of the first flag at ``start`` or later, or how many there are."""
    rest = flags[start:]
    step = int(rest.argmax()) if len(rest) else 0
    return start + step if len(rest) and rest[step] else len(flags)
