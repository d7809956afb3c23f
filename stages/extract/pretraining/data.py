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
from media.decode import Video
from models.backbones.inputs import network_input
from stages.extract.pretraining.labels import Vocabulary, actor_classes, facts
from stages.extract.resize import resize

#: COCO keypoints in the order nose, then left and right of eyes, ears, shoulders, elbows, wrists, hips, knees, ankles
SWAP = [0, *(i + 1 if i % 2 else i - 1 for i in range(1, 17))]

Images = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Film:
    """One video: small frames (n, S, S, 3), the time of each in seconds, the plan that it was drawn from, and where its actors
    are: ``points`` (A, n, 17, 2), keypoints in COCO order in parts of the picture."""

    frames: Images
    times: npt.NDArray[np.float64]
    plan: dict[str, Any]
    points: FloatArray


@dataclass(frozen=True)
class Batch:
    """``inputs`` with ``targets`` (B, L). Actor m is in input ``owner[m]``, their keypoints are ``points[m]`` (T, 17, 2), and they
    are ``classes[m]`` (one number per group of labels.ACTOR_GROUPS)."""

    inputs: FloatArray
    targets: FloatArray
    owner: npt.NDArray[np.int64]
    points: FloatArray
    classes: npt.NDArray[np.int64]


def read_truth(world: Path, splits: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the world's ``truth/videos.jsonl`` (id, path, split, plan) that belong to ``splits``, in order."""
    path = world / "truth" / "videos.jsonl"
    if not path.is_file():
        raise DataError(f"{world} is not a drawn world: it has no truth/videos.jsonl", hint="kdpipe world --seed 1000 --out DIR")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["split"] in splits]


def read_film(world: Path, row: dict[str, Any], size: int) -> Film:
    """Decode a whole video to frames of ``size`` pixels; the keypoints come from the ground truth."""
    images, times = [], []
    with Video(world / row["path"]) as video:
        for frame in video.frames():
            height, width = frame.image.shape[:2]
            images.append(resize(frame.image, size))
            times.append(frame.time)
    with np.load(world / "truth" / f"{row['id']}.npz") as truth:
        points = truth["keypoints"].astype(np.float32)[:, : len(times)] / np.array([width, height], np.float32)
    return Film(np.stack(images), np.array(times), row["plan"], points)


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
        return network_input(clips[:, 0], "paper") if self.length == 1 else network_input(clips, "raw255")

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """A training batch: random windows, half of them mirrored."""
        clips, targets, owner, points, classes = [], [], [], [], []
        for i, number in enumerate(rng.integers(len(self.films), size=batch)):
            film = self.films[number]
            start = int(rng.integers(len(film.frames) - self.length + 1))
            span = self._span(int(number), start)
            mirror = bool(rng.random() < 0.5)
            clip = film.frames[start : start + self.length]
            clips.append(clip[:, :, ::-1] if mirror else clip)
            targets.append(self._target(int(number), start))
            for actor, where in zip(film.plan["actors"], film.points[:, start : start + self.length]):
                owner.append(i)
                points.append(mirrored(where) if mirror else where)
                classes.append(actor_classes(self.vocabulary, film.plan, actor, *span))
        return Batch(self._input(np.stack(clips)), np.stack(targets), np.array(owner), np.stack(points), np.array(classes))

    def all(self, start: int, stop: int) -> FloatArray:
        """Windows ``start`` to ``stop`` as network input, as they are."""
        return self._input(np.stack([self.films[i].frames[s : s + self.length] for i, s in self.windows[start:stop]]))


def mirrored(points: FloatArray) -> FloatArray:
    """Keypoints (..., 17, 2) of the mirrored picture: left and right change places."""
    return (points * np.array([-1, 1], np.float32) + np.array([1, 0], np.float32))[..., SWAP, :]
