"""Batches across videos: what a network sees has one shape always, whichever videos it comes from.

A network's sums may be taken in another order in a batch of another size, hence the one shape: then a row depends on its own
frames alone, not on its place in the batch nor on its neighbours (tested). Only the last batch of a run is filled up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from stages.extract.loader import Clips

Images = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """``inputs`` (B, ...) uint8, of which the first ``used`` are wanted."""

    inputs: Images
    used: int


@dataclass
class Batches:
    """Cuts videos into batches of ``size`` and puts the networks' rows together again, in the order of the videos.

    kind: ``"appearance"``: a row is a frame (S, S, 3), each distinct frame of a video once; ``"motion"``: a clip (F, S, S, 3).
    """

    kind: str
    size: int
    _waiting: deque[tuple[Clips, int]] = field(default_factory=deque)

    def cut(self, videos: Iterable[Clips]) -> Iterator[Batch]:
        """Yield full batches; the last one is filled up with its first row."""
        batch: Images | None = None
        used = 0
        for clips in videos:
            self._waiting.append((clips.without_frames(), self._count(clips)))
            for row in self._rows(clips):
                if batch is None:
                    batch = np.empty((self.size, *row.shape), np.uint8)
                batch[used] = row
                used += 1
                if used == self.size:
                    yield Batch(batch, used)
                    batch, used = None, 0
        if batch is not None and used:
            batch[used:] = batch[0]
            yield Batch(batch, used)

    def join(self, outputs: Iterable[FloatArray]) -> Iterator[tuple[str, FloatArray]]:
        """Yield (digest of the frames, features) per video, (C, F, V) or (C, V), from the rows (n, V) that came of the batches."""
        held: list[FloatArray] = []
        for rows in outputs:
            held.append(rows)
            while self._waiting and sum(map(len, held)) >= self._waiting[0][1]:
                clips, count = self._waiting.popleft()
                whole = np.concatenate(held)
                held = [whole[count:]]
                mine = whole[:count]
                yield clips.digest, mine[clips.places] if self.kind == "appearance" else mine.copy()

    def _count(self, clips: Clips) -> int:
        return len(clips.frames) if self.kind == "appearance" else len(clips.places)

    def _rows(self, clips: Clips) -> Iterator[Images]:
        return iter(clips.frames) if self.kind == "appearance" else (clips.frames[places] for places in clips.places)
