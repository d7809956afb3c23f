"""Batches across items: what a network sees has one shape always, whichever items it comes from.

A network's sums may be taken in another order in a batch of another size, hence the one shape: then a row depends on its own
input alone, not on its place in the batch nor on its neighbours (tested). Only the last batch of a run is filled up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Item:
    """``count`` rows of one item (a video's frames, say), arrays of one shape and type, that are made as they are asked for."""

    id: str
    count: int
    rows: Iterable[Array]


@dataclass(frozen=True)
class Batch:
    """``inputs`` (B, ...), of which the first ``used`` are wanted."""

    inputs: Array
    used: int


@dataclass
class Batches:
    """Cuts items into batches of ``size`` rows and puts the network's outputs together again, in the order of the items."""

    size: int
    _waiting: deque[tuple[str, int]] = field(default_factory=deque)

    def cut(self, items: Iterable[Item]) -> Iterator[Batch]:
        """Yield full batches; the last one is filled up with its first row."""
        batch: Array | None = None
        used = 0
        for item in items:
            self._waiting.append((item.id, item.count))
            for row in item.rows:
                if batch is None:
                    batch = np.empty((self.size, *row.shape), row.dtype)
                batch[used] = row
                used += 1
                if used == self.size:
                    yield Batch(batch, used)
                    batch, used = None, 0
        if batch is not None and used:
            batch[used:] = batch[0]
            yield Batch(batch, used)

    def join(self, outputs: Iterable[Array]) -> Iterator[tuple[str, Array]]:
        """Yield (id, outputs (count, ...)) of every item, from the rows that came of the batches."""
        held: list[Array] = []
        for rows in outputs:
            held.append(rows)
            while self._waiting and sum(map(len, held)) >= self._waiting[0][1]:
                id, count = self._waiting.popleft()
                whole = np.concatenate(held)
                held = [whole[count:]]
                yield id, whole[:count].copy()
