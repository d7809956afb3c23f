"""The prediction file of the YouTube-8M competitions: ``VideoId,LabelConfidencePairs`` (spec 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

HEADER = "VideoId,LabelConfidencePairs\n"


def lines(ids: Sequence[str], probabilities: npt.NDArray[np.floating[Any]], top_k: int = 20) -> Iterator[str]:
    """One line a video: its id and the ``top_k`` ``class score`` pairs by falling score, ``%i %g``; the smaller class wins a tie."""
    for id, row in zip(ids, probabilities, strict=True):
        best = np.argsort(-row, kind="stable")[:top_k]
        yield f"{id},{' '.join(f'{index} {row[index]:g}' for index in best)}\n"


def document(batches: Iterable[tuple[Sequence[str], npt.NDArray[np.floating[Any]]]], top_k: int = 20) -> Iterator[str]:
    """The whole file, line by line, from batches of (ids, probabilities)."""
    yield HEADER
    for ids, probabilities in batches:
        yield from lines(ids, probabilities, top_k)
