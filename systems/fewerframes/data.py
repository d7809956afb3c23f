"""Partitions of frame features as batches: which videos, which of their frames, in which order.

Symbols: V videos, B of a batch, M frames that a network sees, D width of a frame, C classes. Choosing frames is a view of the store.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cache.errors import DataError
from cache.json_files import read_json
from cache.ragged import RaggedFrames
from models.training.determinism import epoch_order
from systems.fewerframes import frames

Indices = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """codes uint8 (B,M,D), present bool (B,M), labels float32 (B,C), videos int64 (B,) in the file."""

    codes: Tensor
    present: Tensor
    labels: Tensor
    videos: Tensor


@dataclass(frozen=True)
class View:
    """Which frames of a video a network sees: the rule, k, the grid, its size, the seed of random choices, the modalities."""

    rule: str
    k: int
    grid: str = "real"
    size: int = frames.GRID
    seed: int = 0
    modalities: str = "both"

    @property
    def count(self) -> int:
        """M."""
        return self.size if self.rule in ("all", "drawn") else frames.effective(self.rule, self.k, self.size)

    def rows(self, id: str, length: int) -> Indices:
        """Rows (M,) of a video of ``length`` frames, -1 where there is none."""
        length = min(length, self.size)
        if self.rule == "all":
            return np.where(np.arange(self.size) < length, np.arange(self.size), -1)
        if self.rule == "drawn":
            draws = np.random.default_rng([self.seed, zlib.crc32(id.encode("utf-8"))]).random((1, self.size))
            return frames.with_replacement(draws, [length])[0] if length else np.full(self.size, -1)
        kept = frames.select(self.rule, self.k, length, grid=self.grid, size=self.size, seed=self.seed, id=id)
        return np.where(kept.present, kept.rows, -1)


def view_of(params: Any) -> View:
    """The view of a teacher's or a student's parameter record."""
    student = hasattr(params, "k")
    grid, k = (params.grid, params.k) if student else ("padded", params.max_frames)
    if params.frames == "steps":
        grid = "padded"  # the rule is made for it
    return View(params.frames, k, grid, params.max_frames, params.seed, params.modalities)


class Store(RaggedFrames):
    """The frames of one partition, with what ``frames.json`` beside it says: the widths of rgb and audio, and the number of classes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        facts = read_json(path.with_name("frames.json"))
        self.rgb, self.audio, self.classes = int(facts["rgb"]), int(facts["audio"]), int(facts["num_classes"])

    def hot(self, videos: Sequence[int] | Indices) -> npt.NDArray[np.float32]:
        """Multi-hot labels (B,C) of videos. Raises DataError for a label that is no class."""
        hot = np.zeros((len(videos), self.classes), np.float32)
        for row, video in zip(hot, videos):
            labels = self.labels(int(video))
            if labels.size and not 0 <= labels.min() <= labels.max() < self.classes:
                raise DataError(
                    f"video {self.ids[video]} of {self.path.name} has labels outside 0..{self.classes - 1}",
                    hint="is the vocabulary of another release?",
                )
            row[labels] = 1.0
        return hot


class Partition:
    """Videos of one partition, seen through a view. ``videos`` (V,) are their places in the file."""

    def __init__(self, store: Store, view: View, videos: Sequence[int] | Indices | None = None) -> None:
        self.store, self.view = store, view
        self.videos = np.arange(len(store), dtype=np.int64) if videos is None else np.asarray(videos, np.int64)
        self.classes = store.classes
        self.feature_sizes = (store.rgb, store.audio) if view.modalities == "both" and store.audio else (store.rgb,)
        self._rows = None if view.rule == "all" else self._choose()

    def __len__(self) -> int:
        return len(self.videos)

    @property
    def ids(self) -> list[str]:
        """Ids of the videos, in order."""
        return [self.store.ids[video] for video in self.videos]

    def batch(self, places: Tensor | Indices, device: str = "cpu") -> Batch:
        """The videos at ``places`` (B,) of this partition."""
        here = np.asarray(places)
        videos = self.videos[here]
        if self._rows is None:
            codes = self.store.padded(videos, self.view.size)
            present = np.arange(self.view.size) < self.store.lengths[videos][:, None]
        else:
            rows = self._rows[here]
            codes, present = self.store.batch(videos, rows), rows >= 0
        codes = codes[..., : sum(self.feature_sizes)]
        moved = (torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in (codes, present, self.store.hot(videos)))
        return Batch(*moved, torch.from_numpy(videos))

    def in_order(self, size: int) -> list[Tensor]:
        """Places of all videos in batches of ``size``, in the order of the file."""
        return list(torch.arange(len(self)).split(size))

    def shuffled(self, size: int, seed: int, epoch: int, *, drop_last: bool) -> list[Tensor]:
        """Places in the order of an epoch; a last batch that is smaller is left out if ``drop_last`` and it is not the only one."""
        batches = list(epoch_order(len(self), seed, epoch).split(size))
        return batches[:-1] if drop_last and len(batches) > 1 and len(batches[-1]) < size else batches

    def _choose(self) -> Indices:
        lengths = self.store.lengths[self.videos]
        if not len(self):
            return np.zeros((0, self.view.count), np.int64)
        return np.stack([self.view.rows(self.store.ids[video], int(length)) for video, length in zip(self.videos, lengths)])


def open_partition(directory: Path, name: str) -> Store:
    """The store of a partition. Raises DataError if there is none."""
    path = directory / f"{name}.h5"
    if not path.is_file():
        there = ", ".join(sorted(found.stem for found in directory.glob("*.h5"))) or "none"
        raise DataError(f"there is no partition '{name}' (there are: {there})", hint="put its shards under DATA_ROOT, then kdpipe ingest")
    return Store(path)


def held_out(store: Store, share: float) -> tuple[Indices, Indices]:
    """Places of the videos to train on, and of those that select the best epoch: ``share`` of all, chosen by their ids.

    Which ones depends on the ids alone, so the same videos are held out under every seed and whatever else is there.
    """
    chosen = np.array([zlib.crc32(f"held out {id}".encode()) / 2**32 < share for id in store.ids], bool)
    if not chosen.any() or chosen.all():
        raise DataError(
            f"{share:g} of the {len(store)} training videos leaves {int((~chosen).sum())} to train on and {int(chosen.sum())} to select by",
            hint="--set {section}.holdout=0.1, or another share for which both are some",
        )
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
