"""Average precision of one list of scored answers, with the tie order of the original (spec 8). numpy only."""

from __future__ import annotations

import heapq
import random

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
TIE_BREAKS = ("index", "reference")


def average_precision(
    scores: Floats, hits: Flags, positives: int | None = None, *, cut: int | None = None, tie_break: str = "index"
) -> float:
    """Sum over positives of the precision at their rank, divided by the number of positives.

    ``scores`` (n,) and ``hits`` (n,) in the order in which the answers came in. ``positives`` counts all positives, also those
    that are not in the list (None: those of the list). Only the first ``cut`` ranks count, then the denominator is at most
    ``cut``. Without positives the result is 0.

    ``tie_break``: among equal scores ``"index"`` keeps the order of arrival; ``"reference"`` repeats the original's, a shuffle
    under a fixed seed before a stable sort.
    """
    order = shuffled_order(scores) if tie_break == "reference" else np.argsort(-np.asarray(scores), kind="stable")
    total = int(np.count_nonzero(hits)) if positives is None else positives
    return ranked_precision(hits[order], total, cut=cut)


def ranked_precision(hits: Flags, positives: int, *, cut: int | None = None) -> float:
    """Average precision of ``hits`` (n,) that are in order of rank."""
    if positives <= 0:
        return 0.0
    if cut is not None:
        hits, positives = hits[:cut], min(positives, cut)
    ranks = np.flatnonzero(hits) + 1
    return float(np.sum(np.arange(1, len(ranks) + 1) / ranks)) / positives


def shuffled_order(scores: Floats) -> Indices:
    """Ranks (n,) of the original: the list shuffled with seed 0, then sorted stably by falling score."""
    shuffled = np.array(random.Random(0).sample(range(len(scores)), len(scores)), np.int64)
    return shuffled[np.argsort(-np.asarray(scores)[shuffled], kind="stable")]


def accumulated_order(scores: Floats, hits: Flags) -> Indices:
    """Ranks (n,) of the original's accumulators: (score, hit) pairs are pushed on a heap, and the heap's array is shuffled and sorted.

    Only ties between a hit and a miss depend on it; without such ties a plain sort gives the same precision and is returned.
    """
    if not mixed_ties(scores, hits):
        return np.argsort(-np.asarray(scores), kind="stable")
    heap: list[tuple[float, bool, int]] = []
    for number, (score, hit) in enumerate(zip(scores.tolist(), hits.tolist())):
        heapq.heappush(heap, (score, hit, number))
    arrived = np.array([number for _, _, number in heap], np.int64)
    return arrived[shuffled_order(np.array([score for score, _, _ in heap]))]


def mixed_ties(scores: Floats, hits: Flags) -> bool:
    """Whether some score is shared by a hit and a miss."""
    order = np.lexsort((hits, scores))
    ordered, flags = np.asarray(scores)[order], np.asarray(hits)[order]
    return bool(np.any((ordered[1:] == ordered[:-1]) & (flags[1:] != flags[:-1])))
