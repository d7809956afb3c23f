"""Questions and features as tensors: what the training, the dump and the evaluation read.

Symbols: B questions of a batch, U distinct videos of the batch, C clips, F frames per clip, T tokens, V = vision_dim.
A question whose video has no features (the video was lost) is left out of the split and counted in ``Split.lost``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor

from cache.errors import DataError
from cache.hdf5 import FeatureReader
from cache.json_files import read_json
from models.training.determinism import epoch_order
from systems.videoqa.order import grouped


class Batch(NamedTuple):
    """appearance (U,C,F,V), motion (U,C,V), video_index (B,) into them, question (B,T), length (B,), answer (B,), rows (B,) of the split.

    ``length`` stays on the CPU: packed sequences want it there.
    """

    appearance: Tensor
    motion: Tensor
    video_index: Tensor
    question: Tensor
    length: Tensor
    answer: Tensor
    rows: Tensor


@dataclass(frozen=True)
class Vocabulary:
    """Token -> id maps of ``vocab.json``, and their inverses."""

    questions: Mapping[str, int]
    answers: Mapping[str, int]

    @classmethod
    def load(cls, directory: Path) -> Vocabulary:
        """Read ``vocab.json`` of a questions artifact."""
        maps = read_json(directory / "vocab.json")
        return cls(maps["question_token_to_idx"], maps["answer_token_to_idx"])

    @property
    def words(self) -> list[str]:
        """Question token of every id."""
        return sorted(self.questions, key=self.questions.__getitem__)

    @property
    def answer_words(self) -> list[str]:
        """Answer of every id."""
        return sorted(self.answers, key=self.answers.__getitem__)


class Features:
    """Rows of the two feature files by video id; in memory (once, float32) if they fit in ``memory_gb``, else read per batch.

    ``nothing=True`` is the video that says nothing: one row of zeros of the same shape stands for every video.
    Raises DataError if the two files do not agree in clips and width.
    """

    def __init__(self, appearance: Path, motion: Path, *, memory_gb: float = 4.0, nothing: bool = False) -> None:
        self.about = [read_json(directory / "features.json") for directory in (appearance, motion)]
        first, second = (
            FeatureReader(directory / about["file"], about.get("array", "")) for directory, about in zip((appearance, motion), self.about)
        )
        if first.shape[0] != second.shape[0] or first.shape[-1] != second.shape[-1]:
            raise DataError(
                f"appearance rows are {list(first.shape)}, motion rows {list(second.shape)}: clips and width must agree",
                hint="extract both with the same clips, from networks of the same width",
            )
        self.readers = (first, second)
        self.clips, self.vision_dim = int(first.shape[0]), int(first.shape[-1])
        self.ids = [id for id in first.ids if id in second]
        self._row = {id: row for row, id in enumerate(self.ids)}
        self._nothing = tuple(torch.zeros(1, *reader.shape) for reader in self.readers) if nothing else None
        size = 4 * len(self.ids) * sum(int(np.prod(reader.shape)) for reader in self.readers)
        self._held: tuple[Tensor, ...] | None = None
        if not nothing and size <= memory_gb * 2**30:
            self._held = tuple(torch.from_numpy(reader.rows(self.ids)) for reader in self.readers)
            for reader in self.readers:
                reader.close()

    def row(self, video_id: int) -> int:
        """Row of a video, -1 if it has no features."""
        return self._row.get(str(video_id), -1)

    def gather(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Appearance (U,C,F,V) and motion (U,C,V) of the distinct videos among ``rows`` (B,), and the index (B,) into them."""
        if self._nothing is not None:
            return *self._nothing, torch.zeros_like(rows)
        distinct, index = torch.unique(rows, return_inverse=True)
        if self._held is not None:
            return self._held[0][distinct], self._held[1][distinct], index
        ids = [self.ids[row] for row in distinct.tolist()]
        appearance, motion = (torch.from_numpy(reader.rows(ids)) for reader in self.readers)
        return appearance, motion, index


class Split:
    """The answerable questions of one split, in file order.

    tokens int64 (n,T), lengths int64 (n,), answers int64 (n,), question_ids and video_ids int64 (n,), videos int64 (n,) rows
    of ``features``. ``lost`` holds the question ids without a video, ``total`` counts those too, ``all`` holds
    them too and ``usable`` (total,) tells which have a video.
    """

    def __init__(self, directory: Path, name: str, features: Features) -> None:
        path = directory / f"{name}.safetensors"
        arrays = {key: torch.from_numpy(array.astype(np.int64)) for key, array in load_file(path).items()}
        videos = torch.tensor([features.row(id) for id in arrays["video_ids"].tolist()], dtype=torch.int64)
        self.usable = usable = videos >= 0
        self.name, self.features = name, features
        self.total = len(videos)
        self.lost: list[int] = arrays["question_ids"][~usable].tolist()
        self.all: dict[str, Tensor] = arrays
        self.videos = videos[usable]
        self.tokens, self.lengths, self.answers = (arrays[key][usable] for key in ("tokens", "lengths", "answers"))
        self.question_ids, self.video_ids = arrays["question_ids"][usable], arrays["video_ids"][usable]
        if not len(self):
            raise DataError(
                f"the {name} split has no question with a video ({self.total} questions in all)",
                hint="kdpipe show extract.appearance --ledger shows what was lost",
            )

    def __len__(self) -> int:
        return len(self.videos)

    def batch(self, rows: Tensor, device: str = "cpu") -> Batch:
        """The questions ``rows`` (B,) as tensors on ``device``."""
        appearance, motion, index = self.features.gather(self.videos[rows])
        moved = (tensor.to(device) for tensor in (appearance, motion, index, self.tokens[rows]))
        return Batch(*moved, self.lengths[rows], self.answers[rows].to(device), rows)

    def shuffled(self, batch_size: int, seed: int, epoch: int, *, together: int = 1) -> Sequence[Tensor]:
        """Rows of every batch of an epoch; the last one may be smaller, but a single left-over question joins the batch before it.

        (Batch normalisation cannot train on one question; the original fails there.) Up to ``together`` questions of a video follow one
        another (:func:`systems.videoqa.order.grouped`).
        """
        order = epoch_order(len(self), seed, epoch)
        if together > 1:
            order = grouped(order, self.videos, together, seed, epoch)
        batches = list(order.split(batch_size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        return batches

    def by_video(self, batch_size: int) -> Sequence[Tensor]:
        """Rows of batches in which the questions of a video stand together, so that its features are read once."""
        return torch.argsort(self.videos, stable=True).split(batch_size)


class Targets:
    """What the teacher says of every question of a split, from a dump, by rows of the split, float32.

    ``name`` is ``"fused"``, the fused feature (B,C,d), or ``"logits"`` (B,A).
    Raises DataError if the dump was made for other questions or does not hold ``name``.
    """

    def __init__(self, directory: Path, split: Split, name: str = "fused", *, memory_gb: float = 4.0) -> None:
        import h5py

        self._file: Any = h5py.File(directory / "fused.h5", "r")
        group = self._file[split.name]
        place = {id: row for row, id in enumerate(group["question_ids"][:].tolist())}
        missing = [id for id in split.question_ids.tolist() if id not in place]
        if missing:
            raise DataError(
                f"the dump has no target for question {missing[0]} of {split.name}", hint="make the dump again: kdpipe distill --stage dump"
            )
        if name not in group:
            raise DataError(f"the dump holds no {name}", hint="make the dump again: kdpipe distill --stage dump")
        self._rows: Any = group[name]
        self.shape: tuple[int, ...] = tuple(self._rows.shape[1:])
        self._place = torch.tensor([place[id] for id in split.question_ids.tolist()], dtype=torch.int64)
        self._held: Tensor | None = None
        if 4 * self._rows.size <= memory_gb * 2**30:
            self._held = torch.from_numpy(self._rows[:].astype(np.float32))
            self._file.close()

    def __getitem__(self, rows: Tensor) -> Tensor:
        places = self._place[rows]
        if self._held is not None:
            return self._held[places]
        distinct, index = torch.unique(places, return_inverse=True)  # h5py wants increasing, distinct indices
        return torch.from_numpy(self._rows[distinct.numpy()].astype(np.float32))[index]
