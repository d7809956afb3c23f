"""What a dump writes, and how it is read.

    features.h5     the frame features of every video, (T, D) float32, in the order of the index (:mod:`cache.ragged`)
    rows.jsonl      for every video its id, the key of its row in the item set, and the sha256 of the row
    features.json   what they are

A file of UCF101 at the published width has 0.8 GB: it is mapped, and an episode reads its videos alone. Imported features
(:mod:`stages.imported`) are read as dumps are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cache.errors import DataError
from cache.hdf5 import FeatureReader
from cache.json_files import read_json, read_lines, write_json, write_lines
from cache.pack import pack, unpack
from cache.ragged import RaggedFrames, RaggedWriter

FloatArray = npt.NDArray[np.float32]


class Dumped:
    """Features by id. ``ids`` in the order of the index; ``rows``: id -> place; ``frames`` T, ``width`` D; ``about``: features.json."""

    def __init__(self, artifact: Path) -> None:
        self.about: dict[str, Any] = read_json(artifact / "features.json")
        self._file: RaggedFrames | FeatureReader
        if "imported" in self.about:
            self._file = FeatureReader(artifact / self.about["file"], self.about["array"])
            self.frames, self.width = self._file.shape
        else:
            self._file = RaggedFrames(artifact / "features.h5")
            self.frames, self.width = int(self.about["frames"]), self._file.width
            if any(self._file.lengths != self.frames):
                raise DataError(f"{artifact.name} holds features of other lengths than {self.frames} frames", hint="kdpipe fsck --all")
        self.ids = self._file.ids
        self.rows: Mapping[str, int] = {id: row for row, id in enumerate(self.ids)}

    def features(self, ids: Sequence[str]) -> Tensor:
        """(N, T, D) float32 of these videos. Raises KeyError for one that is not there."""
        places = [self.rows[id] for id in ids]
        if isinstance(self._file, FeatureReader):
            return torch.from_numpy(self._file.rows(ids))
        return torch.from_numpy(np.stack([self._file.frames(place) for place in places]).astype(np.float32, copy=False))


def made_of(artifact: Path) -> dict[str, tuple[str, str]]:
    """id -> the key of the row that a dump's features lie in, and its sha256."""
    return {str(row["id"]): (str(row["row"]), str(row["digest"])) for row in read_lines(artifact / "rows.jsonl")}


def pack_features(features: FloatArray) -> bytes:
    """A row of the item set: (T, D)."""
    return pack({"features": np.ascontiguousarray(features, "<f4")})


def unpack_features(payload: bytes | memoryview) -> FloatArray:
    """The features of a row, (T, D), read-only."""
    return unpack(payload)["features"].astype(np.float32, copy=False)


def write(
    out: Path, videos: Sequence[tuple[str, str, str]], features: Iterable[FloatArray], frames: int, width: int, about: Mapping[str, Any]
) -> None:
    """Write a dump: of every video its id, row key and sha256 of the row, and in the same order the features (T, D).

    Raises DataError for features of another size.
    """
    with RaggedWriter(out / "features.h5", width, rows=frames * len(videos), dtype="float32") as file:
        for (id, _, _), own in zip(videos, features, strict=True):
            if own.shape != (frames, width):
                raise DataError(f"the features of {id} are {list(own.shape)}, and not [{frames}, {width}]")
            file.append(id, [], own)
    write_lines(out / "rows.jsonl", [{"id": id, "row": row, "digest": digest} for id, row, digest in videos])
    write_json(out / "features.json", {**about, "frames": frames, "width": width, "videos": len(videos)})
