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

CLIP = 16
#: pixels by which a training image may be shifted
SHIFT = 4

Images = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Film:
    """One video: small frames (n, S, S, 3), the time of each in seconds, and the plan that it was drawn from."""

    frames: Images
    times: npt.NDArray[np.float64]
    plan: dict[str, Any]


def read_truth(world: Path, splits: Sequence[str]) -> list[tuple[Path, dict[str, Any]]]:
    """Video files of ``splits`` with their plans, from the world's ``truth`` folder, in the order of their ids."""
    path = world / "truth" / "videos.jsonl"
    if not path.is_file():
        raise DataError(f"{world} is not a drawn world: it has no truth/videos.jsonl", hint="kdpipe world --seed 1000 --out DIR")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(world / row["path"], row["plan"]) for row in rows if row["split"] in splits]


def read_film(path: Path, plan: dict[str, Any], size: int) -> Film:
    """Decode a whole video to frames of ``size`` pixels."""
    images, times = [], []
    with Video(path) as video:
        for frame in video.frames():
            images.append(resize(frame.image, size))
            times.append(frame.time)
    return Film(np.stack(images), np.array(times), plan)


class Frames:
    """Single frames with what they show. ``every``: take each how-manieth frame."""

    def __init__(self, films: Sequence[Film], vocabulary: Vocabulary, every: int) -> None:
        self.images = np.concatenate([film.frames[::every] for film in films])
        self.targets = np.stack([vocabulary.encode(facts(film.plan, float(t), float(t))) for film in films for t in film.times[::every]])
        self.video = np.concatenate([np.full(len(film.times[::every]), i) for i, film in enumerate(films)])

    def sample(self, rng: np.random.Generator, batch: int) -> tuple[FloatArray, FloatArray]:
        """A training batch: random frames, mirrored and shifted."""
        rows = rng.integers(len(self.images), size=batch)
        return appearance_input(np.stack([augment(rng, self.images[row][None])[0] for row in rows])), self.targets[rows]

    def all(self, start: int, stop: int) -> FloatArray:
        """Frames ``start`` to ``stop`` as network input, as they are."""
        return appearance_input(self.images[start:stop])


class Clips:
    """Clips of consecutive frames with what happens in them; training takes any window, probing every eighth."""

    def __init__(self, films: Sequence[Film], vocabulary: Vocabulary) -> None:
        self.films = films
        self.vocabulary = vocabulary
        self.windows = [(i, s) for i, film in enumerate(films) for s in range(0, len(film.frames) - CLIP + 1, 8)]
        self.targets = np.stack([self._target(i, s) for i, s in self.windows])
        self.video = np.array([i for i, _ in self.windows])

    def _target(self, film: int, start: int) -> FloatArray:
        times = self.films[film].times
        return self.vocabulary.encode(facts(self.films[film].plan, float(times[start]), float(times[start + CLIP - 1])))

    def sample(self, rng: np.random.Generator, batch: int) -> tuple[FloatArray, FloatArray]:
        """A training batch: random windows, mirrored and shifted."""
        clips, targets = [], []
        for film in rng.integers(len(self.films), size=batch):
            start = int(rng.integers(len(self.films[film].frames) - CLIP + 1))
            clips.append(augment(rng, self.films[film].frames[start : start + CLIP]))
            targets.append(self._target(int(film), start))
        return motion_input(np.stack(clips)), np.stack(targets)

    def all(self, start: int, stop: int) -> FloatArray:
        """Windows ``start`` to ``stop`` as network input, as they are."""
        return motion_input(np.stack([self.films[i].frames[s : s + CLIP] for i, s in self.windows[start:stop]]))


def augment(rng: np.random.Generator, frames: Images) -> Images:
    """Mirror half of the time and shift by up to :data:`SHIFT` pixels (edges repeated); the same for all frames of a clip."""
    if rng.random() < 0.5:
        frames = frames[:, :, ::-1]
    dy, dx = rng.integers(-SHIFT, SHIFT + 1, 2)
    size = frames.shape[1]
    rows = np.clip(np.arange(size) + dy, 0, size - 1)
    columns = np.clip(np.arange(size) + dx, 0, size - 1)
    return frames[:, rows[:, None], columns]
