"""GAP@20, mAP, Hit@1 and PERR, accumulated batch by batch (spec 8). numpy only; memory is 20 answers a video.

Symbols: B videos of a batch, C classes, k answers kept per video. Scores are probabilities, labels 0/1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError, one_of
from systems.fewerframes.average_precision import TIE_BREAKS, accumulated_order, ranked_precision

Scores = npt.NDArray[np.floating]
Labels = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """Results over all videos added.

    map_all:       mean of AP over all C classes, a class without positives counting 0 (the 2018 code: N, Z, A, W).
    map_positive:  mean over the classes with at least one positive (the 2019 code, G).
    ap:            AP of every class (C,). gap_bounds, perr_bounds: lowest and highest over all orders of tied scores.
    """

    videos: int
    hit_at_one: float
    perr: float
    loss: float
    gap: float
    map_all: float
    map_positive: float
    ap: npt.NDArray[np.float64]
    gap_bounds: tuple[float, float]
    perr_bounds: tuple[float, float]


@dataclass
class Metrics:
    """Accumulator: :meth:`add` every batch, then :meth:`result`.

    Among tied scores ``tie_break`` ``"index"`` ranks the smaller class first, then the earlier video: the same result however
    the videos are cut into batches. ``"reference"`` repeats the original, whose ties depend on the batches.
    """

    classes: int
    top_k: int = 20
    tie_break: str = "index"
    _videos: int = 0
    _measured: list[tuple[int, BatchMeasured]] = field(default_factory=list)
    _positives: Indices = field(init=False)
    _batches: list[tuple[Scores, Indices, npt.NDArray[np.bool_]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        one_of("tie_break", self.tie_break, TIE_BREAKS)
        self._positives = np.zeros(self.classes, np.int64)

    def add(self, scores: Scores, labels: Labels, *, loss: float = 0.0, kept: Indices | None = None) -> BatchMeasured:
        """Add a batch: ``scores`` and ``labels`` (B,C); ``loss`` is its mean. ``kept`` (B,k) fixes which classes are kept per video.

        Raises DataError for other shapes, and for scores that are no numbers.
        """
        scores, hits = np.asarray(scores), np.asarray(labels) > 0
        if scores.shape != hits.shape or scores.ndim != 2 or scores.shape[1] != self.classes:
            raise DataError(f"scores {scores.shape} and labels {hits.shape} do not fit {self.classes} classes")
        if not np.isfinite(scores).all():
            video = int(np.argwhere(~np.isfinite(scores))[0][0])
            raise DataError(f"the scores of video {self._videos + video} are not all finite", hint="the network diverged: train it again")
        rows = top_classes(scores, min(self.top_k, self.classes), self.tie_break) if kept is None else kept
        self._batches.append((np.take_along_axis(scores, rows, 1), rows, np.take_along_axis(hits, rows, 1)))
        measured = BatchMeasured(hit_at_one(scores, hits), perr(scores, hits, self.tie_break), loss, *perr_bounds(scores, hits))
        self._videos += len(scores)
        self._measured.append((len(scores), measured))
        self._positives += hits.sum(0)
        return measured

    def result(self) -> Measured:
        """Everything over the videos added so far. Raises DataError if there is none."""
        if not self._videos:
            raise DataError("no video to measure", hint="is the partition empty? kdpipe show ingest --ledger")
        ap = self.class_precisions()
        found = self._positives > 0
        return Measured(
            videos=self._videos,
            hit_at_one=self._mean("hit_at_one"),
            perr=self._mean("perr"),
            loss=self._mean("loss"),
            gap=self.gap(),
            map_all=float(ap.mean()),
            map_positive=float(ap[found].mean()) if found.any() else 0.0,
            ap=ap,
            gap_bounds=self.gap_bounds(),
            perr_bounds=(self._mean("perr_low"), self._mean("perr_high")),
        )

    def _mean(self, name: str) -> float:
        return sum(getattr(measured, name) * videos for videos, measured in self._measured) / self._videos

    def gap(self) -> float:
        """Global average precision of all answers kept, over all positive labels (also those that were not kept)."""
        scores, rows, hits = self._answers()
        if self.tie_break == "reference":  # it pools the answers class by class within each batch
            batch = np.repeat(np.arange(len(self._batches)), [part.size for part, _, _ in self._batches])
            pooled = np.lexsort((rows, batch))
            scores, hits = scores[pooled], hits[pooled]
            order = accumulated_order(scores, hits)
        else:
            order = np.lexsort((rows, -scores))
        return ranked_precision(hits[order], int(self._positives.sum()))

    def gap_bounds(self) -> tuple[float, float]:
        """The lowest and highest GAP that any order of tied scores among the answers kept gives."""
        scores, _, hits = self._answers()
        positives = int(self._positives.sum())
        low, high = (ranked_precision(hits[np.lexsort((last, -scores))], positives) for last in (hits, ~hits))
        return low, high

    def class_precisions(self) -> npt.NDArray[np.float64]:
        """AP of every class (C,) over the same answers; 0 for a class without positives or without answers."""
        scores, rows, hits = self._answers()
        by_class = np.argsort(rows, kind="stable")
        ends = np.searchsorted(rows[by_class], np.arange(self.classes + 1))
        ap = np.zeros(self.classes)
        for number in np.flatnonzero(self._positives):
            mine = by_class[ends[number] : ends[number + 1]]
            s, h = scores[mine], hits[mine]
            order = accumulated_order(s, h) if self.tie_break == "reference" else np.argsort(-s, kind="stable")
            ap[number] = ranked_precision(h[order], int(self._positives[number]))
        return ap

    def _answers(self) -> tuple[Scores, Indices, npt.NDArray[np.bool_]]:
        """Score, class and hit of every answer kept, video by video."""
        scores, rows, hits = (np.concatenate([part.ravel() for part in parts]) for parts in zip(*self._batches))
        return scores, rows, hits


@dataclass(frozen=True)
class BatchMeasured:
    """Means over one batch."""

    hit_at_one: float
    perr: float
    loss: float
    perr_low: float
    perr_high: float


def top_classes(scores: Scores, k: int, tie_break: str = "index") -> Indices:
    """The k classes (B,k) of the highest scores. Ties at the boundary: the smaller class, or what numpy's selection says."""
    if tie_break == "reference":
        return np.argpartition(scores, -k, axis=1)[:, -k:] if k < scores.shape[1] else np.tile(np.arange(k), (len(scores), 1))
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def hit_at_one(scores: Scores, hits: Labels) -> float:
    """Share of the videos whose first highest class is among their labels."""
    return float(hits[np.arange(len(scores)), scores.argmax(1)].mean())


def perr(scores: Scores, hits: Labels, tie_break: str = "index") -> float:
    """Precision at equal recall rate: mean over videos of the precision among the n highest scores, n being its number of labels.

    A positive with score 0 does not count. A video without labels counts as 0.
    """
    counts = hits.sum(1)
    if tie_break == "reference":
        found = [_found(s, h, np.argpartition(s, -n)[-n:]) if n else 0.0 for s, h, n in zip(scores, hits, counts)]
    else:
        found = [
            _found(s, h, order[:n]) if n else 0.0 for s, h, n, order in zip(scores, hits, counts, np.argsort(-scores, 1, kind="stable"))
        ]
    return float(np.mean(found))


def perr_bounds(scores: Scores, hits: Labels) -> tuple[float, float]:
    """The lowest and highest PERR that any order of tied scores gives."""
    bounds = []
    for better in (~hits, hits):
        orders = np.lexsort((~better, -scores))
        bounds.append(float(np.mean([_found(s, h, o[: h.sum()]) if h.any() else 0.0 for s, h, o in zip(scores, hits, orders)])))
    return bounds[0], bounds[1]


def _found(scores: Scores, hits: Labels, chosen: Indices) -> float:
    return float(np.count_nonzero(hits[chosen] & (scores[chosen] > 0)) / len(chosen))
