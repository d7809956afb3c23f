"""A drawn world as arrays in memory: small frames and clips with the vectors of what they show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from stages.extract.preprocess import appearance_input, motion_input, resize
from stages.extract.pretraining.labels import Vocabulary, facts
from stages.media.decode import Video

#: added around an actor's keypoints, in parts of the picture
MARGIN = 0.05

Images = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Film:
    """One video: small frames (n, S, S, 3), the time of each in seconds, the plan that it was drawn from, and where its actors
    are: ``boxes`` (A, n, 4) as x0, y0, x1, y1 in parts of the picture."""

    frames: Images
    times: npt.NDArray[np.float64]
    plan: dict[str, Any]
    boxes: FloatArray


@dataclass(frozen=True)
class Batch:
    """``inputs`` with ``targets`` (B, L); actor m is in input ``owner[m]`` at ``boxes[m]`` (T, 4) and is ``actor_targets[m]`` (L)."""

    inputs: FloatArray
    targets: FloatArray
    owner: npt.NDArray[np.int64]
    boxes: FloatArray
    actor_targets: FloatArray


def read_truth(world: Path, splits: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the world's ``truth/videos.jsonl`` (id, path, split, plan) that belong to ``splits``, in order."""
    path = world / "truth" / "videos.jsonl"
    if not path.is_file():
        raise DataError(f"{world} is not a drawn world: it has no truth/videos.jsonl", hint="kdpipe world --seed 1000 --out DIR")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["split"] in splits]


def read_film(world: Path, row: dict[str, Any], size: int) -> Film:
    """Decode a whole video to frames of ``size`` pixels; boxes come from the keypoints, with a margin for head, hands and feet."""
    images, times = [], []
    with Video(world / row["path"]) as video:
        for frame in video.frames():
            height, width = frame.image.shape[:2]
            images.append(resize(frame.image, size))
            times.append(frame.time)
    with np.load(world / "truth" / f"{row['id']}.npz") as truth:
        points = truth["keypoints"].astype(np.float32)[:, : len(times)] / np.array([width, height], np.float32)
    boxes = np.concatenate([points.min(2) - MARGIN, points.max(2) + MARGIN], axis=-1).clip(0, 1)
    return Film(np.stack(images), np.array(times), row["plan"], boxes)


class Clips:
    """Windows of ``length`` consecutive frames (1: single frames) with what they show; training takes any window."""

    def __init__(self, films: Sequence[Film], vocabulary: Vocabulary, length: int, every: int) -> None:
        self.films = films
        self.vocabulary = vocabulary
        self.length = length
        self.windows = [(i, s) for i, film in enumerate(films) for s in range(0, len(film.frames) - length + 1, every)]
        self.video = np.array([i for i, _ in self.windows])
        self.targets = np.stack([self._target(i, s) for i, s in self.windows])

    def _span(self, film: int, start: int) -> tuple[float, float]:
        times = self.films[film].times
        return float(times[start]), float(times[start + self.length - 1])

    def _target(self, film: int, start: int) -> FloatArray:
        return self.vocabulary.encode(facts(self.films[film].plan, *self._span(film, start)))

    def _input(self, clips: Images) -> FloatArray:
        return appearance_input(clips[:, 0]) if self.length == 1 else motion_input(clips)

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """A training batch: random windows, half of them mirrored."""
        clips, targets, owner, boxes, actor_targets = [], [], [], [], []
        for i, number in enumerate(rng.integers(len(self.films), size=batch)):
            film = self.films[number]
            start = int(rng.integers(len(film.frames) - self.length + 1))
            mirror = bool(rng.random() < 0.5)
            clip = film.frames[start : start + self.length]
            clips.append(clip[:, :, ::-1] if mirror else clip)
            targets.append(self._target(int(number), start))
            for actor, where in zip(film.plan["actors"], film.boxes[:, start : start + self.length]):
                owner.append(i)
                boxes.append(mirrored(where) if mirror else where)
                alone = {**film.plan, "actors": [actor], "things": []}
                actor_targets.append(self.vocabulary.encode(facts(alone, *self._span(int(number), start))))
        return Batch(self._input(np.stack(clips)), np.stack(targets), np.array(owner), np.stack(boxes), np.stack(actor_targets))

    def all(self, start: int, stop: int) -> FloatArray:
        """Windows ``start`` to ``stop`` as network input, as they are."""
        return self._input(np.stack([self.films[i].frames[s : s + self.length] for i, s in self.windows[start:stop]]))


def mirrored(boxes: FloatArray) -> FloatArray:
    """Boxes (..., 4) of the mirrored picture."""
    x0, y0, x1, y1 = np.moveaxis(boxes, -1, 0)
    return np.stack([1 - x1, y0, 1 - x0, y1], axis=-1)
