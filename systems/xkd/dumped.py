"""What ``encode`` writes, and how it is read.

train.video.h5 …   of a split and a modality, for every file in the order of the index, (clips, D) float32 (:mod:`cache.ragged`)
rows.jsonl         for every file its id, its use (train, test), the key of its row and the sha256 of the row
features.json      what they are
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.json_files import read_json
from cache.pack import pack, unpack
from cache.ragged import RaggedFrames

FloatArray = npt.NDArray[np.float32]
#: what files of a split are for: they are learnt from, or scored
USES = ("train", "test")


class Dumped:
    """Features of a use and a modality: ``ids`` in the order of the index; ``about``: features.json."""

    def __init__(self, artifact: Path, use: str, modality: str) -> None:
        self.about: dict[str, Any] = read_json(artifact / "features.json")
        self._file = RaggedFrames(artifact / f"{use}.{modality}.h5")
        self.ids = [str(id) for id in self._file.ids]

    def all(self) -> FloatArray:
        """(files, clips, D)."""
        return np.stack([self._file.frames(place) for place in range(len(self.ids))]).astype(np.float32, copy=False)


def pack_features(features: dict[str, FloatArray]) -> bytes:
    """A row of the item set: (clips, D) of each modality."""
    return pack({modality: np.ascontiguousarray(own, "<f4") for modality, own in features.items()})


def unpack_features(payload: bytes | memoryview) -> dict[str, FloatArray]:
    """The features of a row, read-only."""
    return {modality: own.astype(np.float32, copy=False) for modality, own in unpack(payload).items()}
