"""Batches of small frames and clips of drawn films, with the vectors of what they show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from models.backbones.inputs import network_input
from stages.extract.pretraining.films import STRIDE, Film, FloatArray, Images
from stages.extract.pretraining.labels import Vocabulary, actor_classes, facts

#: COCO keypoints in the order nose, then left and right of eyes, ears, shoulders, elbows, wrists, hips, knees, ankles
SWAP = [0, *(i + 1 if i % 2 else i - 1 for i in range(1, 17))]
#: how often a clip is seen nearer or farther, and elsewhere; factors of its size, shifts in parts of the picture, changes of light
MOVED, SIZES, SHIFT, LIGHT = 0.7, (0.85, 1.2), 0.08, 0.15


@dataclass(frozen=True)
class Batch:
    """``inputs`` with ``targets`` (B, L). Actor m is in input ``owner[m]``, their keypoints are ``points[m]`` (T, 17, 2), and they
    are ``classes[m]`` (one number per group of labels.ACTOR_GROUPS)."""

    inputs: Tensor
    targets: FloatArray
    owner: npt.NDArray[np.int64]
    points: FloatArray
    classes: npt.NDArray[np.int64]


class Clips:
    """Windows of ``length`` kept frames (1: single frames) with what they show; training takes any window.

    ``norm``: how the network wants its input, a name of ``models.backbones.inputs``. A clip is given at the rate of the video: each kept
    frame comes :data:`STRIDE` times, and the network looks at one of them.
    """

    def __init__(self, films: Sequence[Film], vocabulary: Vocabulary, length: int, every: int, norm: str) -> None:
        self.films, self.vocabulary, self.length, self.norm = films, vocabulary, length, norm
        self.windows = [(i, s) for i, film in enumerate(films) for s in range(0, len(film.frames) - length + 1, every)]
        self.video = np.array([i for i, _ in self.windows])
        self.targets = np.stack([self._target(i, s) for i, s in self.windows])

    def _span(self, film: int, start: int) -> tuple[float, float]:
        times = self.films[film].times
        return float(times[start]), float(times[start + self.length - 1])

    def _target(self, film: int, start: int) -> FloatArray:
        return self.vocabulary.encode(facts(self.films[film].plan, *self._span(film, start)))

    def _input(self, clips: Images) -> FloatArray:
        if self.length == 1:
            return network_input(clips[:, 0], self.norm)
        return network_input(np.repeat(clips, STRIDE, axis=1), self.norm)

    def sample(self, rng: np.random.Generator, batch: int) -> Batch:
        """A training batch: random windows, half of them mirrored, most of them seen from nearer or farther, all in another light."""
        clips, places, targets, owner, points, classes = [], [], [], [], [], []
        for i, number in enumerate(rng.integers(len(self.films), size=batch)):
            film = self.films[number]
            start = int(rng.integers(len(film.frames) - self.length + 1))
            span = self._span(int(number), start)
            place = place_of(rng)
            clips.append(film.frames[start : start + self.length])
            places.append(place)
            targets.append(self._target(int(number), start))
            for actor, where in zip(film.plan["actors"], film.points[:, start : start + self.length]):
                owner.append(i)
                points.append(seen(where, place))
                classes.append(actor_classes(self.vocabulary, film.plan, actor, *span))
        pictures = relit(moved(np.stack(clips), np.stack(places)), rng)
        return Batch(torch.from_numpy(self._input(pictures)), np.stack(targets), np.array(owner), np.stack(points), np.array(classes))

    def all(self, start: int, stop: int) -> FloatArray:
        """Windows ``start`` to ``stop`` as network input, as they are."""
        return self._input(np.stack([self.films[i].frames[s : s + self.length] for i, s in self.windows[start:stop]]))


def place_of(rng: np.random.Generator) -> FloatArray:
    """Where a clip is looked at: its size (negative: mirrored) and how far its middle moves, x and y, in parts of the picture."""
    size, shift = 1.0, np.zeros(2)
    if rng.random() < MOVED:
        size, shift = float(np.exp(rng.uniform(*np.log(SIZES)))), rng.uniform(-SHIFT, SHIFT, 2)
    return np.array([size if rng.random() < 0.5 else -size, *shift], np.float32)


def seen(points: FloatArray, place: FloatArray) -> FloatArray:
    """Keypoints (T, 17, 2) of a picture that is looked at in that place."""
    if place[0] < 0:
        points = mirrored(points)
    return (points - np.float32(0.5)) * abs(place[0]) + np.float32(0.5) + place[1:]


def moved(clips: Images, places: FloatArray) -> Images:
    """Clips (B, T, S, S, 3), each looked at in its place; beyond the edge the edge goes on."""
    x = torch.from_numpy(np.ascontiguousarray(clips)).permute(0, 1, 4, 2, 3).float()
    theta = torch.zeros(len(clips), 2, 3)
    for i, (size, right, down) in enumerate(places.tolist()):
        sign = -1.0 if size < 0 else 1.0
        theta[i] = torch.tensor([[1 / size, 0, -2 * right * sign / abs(size)], [0, 1 / abs(size), -2 * down / abs(size)]])
    grid = F.affine_grid(theta, [len(x), 1, *x.shape[3:]], align_corners=False)
    found = F.grid_sample(x.flatten(1, 2), grid, padding_mode="border", align_corners=False)
    return found.unflatten(1, x.shape[1:3]).permute(0, 1, 3, 4, 2).numpy()


def relit(clips: Any, rng: np.random.Generator) -> Images:
    """Clips (B, T, S, S, 3) in other light: brightness and contrast, one of each for a clip."""
    shape = (len(clips), 1, 1, 1, 1)
    contrast, light = (rng.uniform(1 - LIGHT, 1 + LIGHT, shape).astype(np.float32) for _ in range(2))
    return np.clip((clips - np.float32(128)) * contrast + np.float32(128) * light, 0, 255).astype(np.uint8)


def mirrored(points: FloatArray) -> FloatArray:
    """Keypoints (..., 17, 2) of the mirrored picture: left and right change places."""
    return (points * np.array([-1, 1], np.float32) + np.array([1, 0], np.float32))[..., SWAP, :]
