"""Suppression of segments that say the same, by the published rules (spec 6.2): Gaussian soft-NMS, and the greedy one.

A segment only touches those that overlap it. They lie together when segments are sorted by their start, so a step costs what its
neighbours cost, not what the video costs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cache.errors import one_of

Floats = npt.NDArray[np.floating]
Indices = npt.NDArray[np.int64]

#: The shortest a taken segment counts as, in seconds.
SHORTEST = 1e-5
#: What becomes of the candidate that is left at the end (D11): the published loop does not give it out.
LAST = ("lost", "kept")


def soft_nms(
    segments: Floats, scores: Floats, *, sigma: float, threshold: float = 0.001, top_k: int = 5000, last: str = "lost"
) -> tuple[Indices, npt.NDArray[np.float32]]:
    """Which of n segments (n, 2) of one class are left, in the order in which they came, and their new scores float32.

    The best candidate is taken, of equal ones the first; every other's score is multiplied by exp(-tIoU^2 / ``sigma``), and those below
    ``threshold`` fall out. This ends with ``top_k`` taken, or when one candidate is left, which is ``"lost"`` as published, or
    ``"kept"``. A segment that ends before it begins overlaps nothing; one with a number that is none is no candidate.

    Raises ConfigError for another ``last``.
    """
    one_of("last", last, LAST)
    segments, alive = np.asarray(segments, np.float32), np.array(scores, np.float32)
    sound = np.isfinite(segments).all(axis=1)
    segments = np.where(sound[:, None], segments, 0)
    alive[~((alive >= threshold) & sound)] = -1  # no candidate, or not any more
    order, starts, ends, first, behind = _neighbours(segments)
    widths = ends - starts
    taken = np.full(len(alive), -1, np.float32)
    count, left, fewest = 0, int((alive >= 0).sum()), 1 if last == "lost" else 0
    limit, decay = np.float32(threshold), np.float32(sigma)
    while left > fewest and count < top_k:
        best = int(alive.argmax())
        taken[best], alive[best] = alive[best], -1
        count, left = count + 1, left - 1
        near = slice(first[best], behind[best])
        if near.stop - near.start < 2:
            continue
        mine, start, end = order[near], segments[best, 0], segments[best, 1]
        inside = np.maximum(np.minimum(ends[near], end) - np.maximum(starts[near], start), 0)
        union = np.maximum(end - start, np.float32(SHORTEST)) + widths[near] - inside
        tiou = np.divide(inside, union, out=np.zeros_like(inside), where=inside > 0)
        before = alive[mine]
        after = before * np.exp(-(tiou**2) / decay)
        fallen = (before >= 0) & (after < limit)
        after[fallen] = -1
        alive[mine] = np.where(before >= 0, after, -1)
        left -= int(np.count_nonzero(fallen))
    kept = np.flatnonzero(taken >= 0)
    return kept, taken[kept]


def _neighbours(segments: npt.NDArray[np.float32]) -> tuple[Indices, npt.NDArray[np.float32], npt.NDArray[np.float32], Indices, Indices]:
    """Segments by their start: their order, starts and ends; for each one where those that may overlap it begin and end there."""
    order = np.argsort(segments[:, 0], kind="stable")
    starts, ends = segments[order, 0], segments[order, 1]
    first = np.searchsorted(np.maximum.accumulate(ends), segments[:, 0], side="right")
    behind = np.searchsorted(starts, segments[:, 1], side="left")
    return order, starts, ends, first, np.maximum(first, behind)


def nms(segments: Floats, scores: Floats, overlap: float) -> Indices:
    """Which of n segments (n, 2) are left, best first, if each one excludes those whose tIoU with it is above ``overlap``."""
    segments = np.asarray(segments)
    order = np.argsort(-np.asarray(scores), kind="stable")
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        (start, end), others = segments[best], segments[order]
        inside = np.maximum(np.minimum(others[:, 1], end) - np.maximum(others[:, 0], start), 0)
        order = order[inside / (end - start + others[:, 1] - others[:, 0] - inside) <= overlap]
    return np.array(kept, np.int64)
