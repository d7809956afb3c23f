"""mAP of many detections, and soft-NMS, beside the published walks written again; a subcommand of ``benchmarks/gkd.py``.

The plain evaluator walks detections one by one, class by class, and for each one through the instances of its video at every threshold. So
does ActivityNet's, which also keeps them in tables of pandas. There are as many videos and instances as THUMOS14 scores.
The plain soft-NMS looks at all candidates of a long video in every step, in NumPy. All numbers are compared before they are timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from systems.gkd.detection.average_precision import AFSD, interpolated, mean_average_precision
from systems.gkd.detection.instances import Instances
from systems.gkd.detection.soft_nms import soft_nms

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
VIDEOS, CLASSES, INSTANCES = 210, 20, 3311


def drawn_truth(chance: np.random.Generator) -> Instances:
    """Instances as THUMOS14 has them: one class a video mostly, half of them shorter than 3 s, videos of 30 s to 20 minutes."""
    videos = chance.integers(VIDEOS, size=INSTANCES)
    classes = np.where(chance.random(INSTANCES) < 0.9, videos % CLASSES, chance.integers(CLASSES, size=INSTANCES))
    starts = chance.random(INSTANCES) * (30 + 3 * (videos * 7 % 200))
    ends = starts + np.exp(chance.normal(np.log(3.2), 0.8, INSTANCES))
    return Instances([f"v{n}" for n in videos], [f"c{n}" for n in classes], np.stack([starts, ends], 1), np.empty(0))


def drawn_detections(truth: Instances, count: int, chance: np.random.Generator) -> Instances:
    """Two thirds lie about instances, as detectors give them, the others anywhere and of any class."""
    of = chance.integers(len(truth), size=count)
    lengths = np.diff(truth.segments)[of]
    segments = truth.segments[of] + chance.normal(0, 0.4, (count, 2)) * lengths
    stray = chance.random(count) < 1 / 3
    segments[stray] += chance.normal(0, 60, (int(stray.sum()), 1))
    labels = [f"c{chance.integers(CLASSES)}" if lost else truth.labels[n] for n, lost in zip(of, stray)]
    return Instances([truth.videos[n] for n in of], labels, np.sort(segments, 1), chance.permutation(count) / count)


def plain_map(truth: Instances, found: Instances, thresholds: Sequence[float]) -> np.ndarray:
    """Average precision (thresholds, classes), detection by detection."""
    classes = list(dict.fromkeys(truth.labels))
    known = set(truth.videos)
    precision = np.zeros((len(thresholds), len(classes)))
    for column, label in enumerate(classes):
        instances = defaultdict(list)
        for number, (video, name) in enumerate(zip(truth.videos, truth.labels)):
            if name == label:
                instances[video].append(number)
        mine = [n for n, (video, name) in enumerate(zip(found.videos, found.labels)) if name == label and video in known]
        positives = sum(map(len, instances.values()))
        if not mine:
            continue
        hits = np.zeros((len(thresholds), len(mine)))
        taken: list[set[int]] = [set() for _ in thresholds]
        for rank, n in enumerate(sorted(mine, key=lambda n: -found.scores[n])):
            there = instances.get(found.videos[n])
            if not there:
                continue
            (start, end), others = found.segments[n], truth.segments[there]
            inside = (np.minimum(others[:, 1], end) - np.maximum(others[:, 0], start)).clip(0)
            tiou = inside / ((others[:, 1] - others[:, 0]) + (end - start) - inside)
            order = tiou.argsort()[::-1]
            for row, threshold in enumerate(thresholds):
                for place in order:
                    if tiou[place] < threshold:
                        break
                    if there[place] not in taken[row]:
                        taken[row].add(there[place])
                        hits[row, rank] = 1
                        break
        for row, true in enumerate(hits.cumsum(1)):
            precision[row, column] = interpolated(true / np.arange(1, len(mine) + 1), true / positives)
    return precision


def plain_soft_nms(segments: np.ndarray, scores: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """The published loop: every step looks at all candidates."""
    starts, ends, scores = segments[:, 0], segments[:, 1], scores.copy()
    done, undone = np.zeros(len(scores), bool), scores >= np.float32(0.001)
    while undone.sum() > 1 and done.sum() < 5000:
        best = np.flatnonzero(undone)[scores[undone].argmax()]
        undone[best], done[best] = False, True
        inside = (np.minimum(ends[undone], ends[best]) - np.maximum(starts[undone], starts[best])).clip(0)
        tiou = inside / (max(ends[best] - starts[best], np.float32(1e-5)) + (ends[undone] - starts[undone]) - inside)
        scores[undone] *= np.exp(-(tiou**2) / np.float32(sigma))
        undone &= scores >= np.float32(0.001)
    return np.flatnonzero(done), scores[done]


def by_turns(plain: Callable[[], object], ours: Callable[[], object], options: argparse.Namespace) -> str:
    """Median seconds of both, alternated, after one round that warms up, and their ratio."""
    clock, times = CLOCKS[options.clock], []
    for _ in range(options.rounds + 1):
        marks = [clock()]
        for work in (plain, ours):
            work()
            marks.append(clock())
        times.append(np.diff(marks))
    slow, fast = (statistics.median(column) for column in zip(*times[1:]))
    return f"plain {slow:8.3f} s   ours {fast:8.4f} s   {slow / fast:6.1f} x"


def scores(options: argparse.Namespace) -> None:
    """Print both comparisons: numbers, times and ratios."""
    chance = np.random.default_rng(0)
    truth = drawn_truth(chance)
    found = drawn_detections(truth, options.detections, chance)
    ours, plain = mean_average_precision(truth, found, AFSD), plain_map(truth, found, AFSD)
    print(
        f"mAP of {options.detections:,} detections: {ours.average:.6f}; largest difference {abs(ours.average_precision - plain).max():.1e}"
    )
    print("  " + by_turns(lambda: plain_map(truth, found, AFSD), lambda: mean_average_precision(truth, found, AFSD), options))
    starts = chance.random(5800).astype(np.float32) * 600
    segments = np.stack([starts, starts + chance.gamma(2, 2, 5800).astype(np.float32)], 1)
    scores = (chance.random(5800) ** 4).astype(np.float32)
    for sigma in (0.1, 0.5):
        one, other = soft_nms(segments, scores, sigma=sigma), plain_soft_nms(segments, scores, sigma)
        gap = abs(one[1] - other[1]).max() if np.array_equal(one[0], other[0]) else np.inf
        print(f"soft-NMS of {len(scores):,} candidates, sigma {sigma}: {len(one[0]):,} are left; largest difference {gap:.1e}")
        print(
            "  "
            + by_turns(lambda s=sigma: plain_soft_nms(segments, scores, s), lambda s=sigma: soft_nms(segments, scores, sigma=s), options)
        )
