"""What networks see of videos: random views in training, the middle in validation and dumps. All are pure functions of numbers.

A *source* gives tensors of videos for an episode: pictures, what a frozen trunk made of pictures, or features of dumps.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from systems.litemkd.clips import Clips
from systems.litemkd.draws import FIXED_VIEW, FRAMES, SEEN_VIEW, VIEW, Chance, Draws
from systems.litemkd.frames import frame_indices
from systems.litemkd.views import IMAGENET, short_side, view

#: Videos that pass a frozen trunk together.
LOT = 4


class At(NamedTuple):
    """Where a training is: seed, episode, and the number of the first clip in the episode."""

    seed: int
    episode: int
    item: int = 0


class Look(NamedTuple):
    """What a network sees: pixels of a crop's side, frames, and ``none`` or ``imagenet`` for the input."""

    image_size: int
    frames: int
    normalise: str = "none"

    @classmethod
    def of_trained(cls, about: Mapping[str, Any]) -> Look:
        """That of a trained network, by its ``model.json``."""
        return cls(about["image_size"], about["arguments"]["frames"], about["switches"]["normalise"])

    @property
    def side(self) -> int:
        """To which short side clips are resized."""
        return short_side(self.image_size)

    def of(self, clips: Clips, id: str, chance: Chance | None = None, drawn: Chance | None = None) -> np.ndarray[Any, Any]:
        """A view of a clip: uint8 (T, S, S, 3), the middle, or drawn by ``chance``; ``drawn`` draws frames where there are more than T."""
        clip = clips.clip(id)
        chosen = frame_indices(len(clip), drawn, frames=self.frames)
        return np.ascontiguousarray(view(clip[chosen] if len(clip) > self.frames else clip, self.image_size, chance, short=self.side))

    def input(self, clips: Tensor, device: str) -> Tensor:
        """uint8 (N, T, S, S, 3) to the input of a network: float32 (N, T, 3, S, S); the channels stay last in memory, which is faster."""
        scaled = clips.to(device).float().div_(255)
        if self.normalise == "imagenet":
            mean, deviation = (torch.from_numpy(part).to(device) for part in IMAGENET)
            scaled = scaled.sub_(mean).div_(deviation)
        return scaled.permute(0, 1, 4, 2, 3)


class Pictures:
    """Views of clips, uint8 (N, T, S, S, 3)."""

    def __init__(self, clips: Clips, look: Look) -> None:
        self.clips, self.look = clips, look

    def drawn(self, ids: Sequence[str], at: At) -> Tensor:
        """Random views, each clip's own."""
        return self._stack([self._draw(id, at.seed, at.episode, at.item + place) for place, id in enumerate(ids)])

    def middle(self, ids: Sequence[str]) -> Tensor:
        """The views of validation."""
        return self._stack([self.look.of(self.clips, id) for id in ids])

    def fixed(self, ids: Sequence[str], seed: int, number: int) -> Tensor:
        """The view of a number, the same in all episodes: of 0 the middle, else random."""
        if number == 0:
            return self.middle(ids)
        return self._stack([self.look.of(self.clips, id, Draws(seed, number_of(id), FIXED_VIEW, number)) for id in ids])

    def _draw(self, id: str, seed: int, episode: int, item: int) -> np.ndarray[Any, Any]:
        return self.look.of(self.clips, id, Draws(seed, episode, VIEW, item), Draws(seed, episode, FRAMES, item))

    def _stack(self, views: list[np.ndarray[Any, Any]]) -> Tensor:
        return torch.from_numpy(np.stack(views))


class Frozen:
    """What a trunk that does not change makes of every clip, computed once: float32 (N, T, V).

    A clip has ``views`` of them, the first of its middle and the others random; an episode draws one. They lie in the file ``path``.
    """

    def __init__(self, path: Path, ids: Sequence[str], views: int, made: Callable[[Sequence[str], int], Tensor]) -> None:
        """``made`` gives what the trunk makes of some videos in the view of a number."""
        self._place = {id: place for place, id in enumerate(ids)}
        self._views = views
        self._table: np.memmap[Any, Any] | None = None
        for number in range(views):
            for start in range(0, len(ids), LOT):
                lot = made(ids[start : start + LOT], number).numpy()
                if self._table is None:
                    self._table = np.lib.format.open_memmap(path, "w+", np.float32, (views, len(ids), *lot.shape[1:]))
                self._table[number, start : start + LOT] = lot

    def drawn(self, ids: Sequence[str], at: At) -> Tensor:
        """One of the views of each clip."""
        chosen = [Draws(at.seed, at.episode, SEEN_VIEW, at.item + n).randint(0, self._views - 1) for n in range(len(ids))]
        return self._rows(chosen, ids)

    def middle(self, ids: Sequence[str]) -> Tensor:
        """The views of validation."""
        return self._rows([0] * len(ids), ids)

    def _rows(self, views: Sequence[int], ids: Sequence[str]) -> Tensor:
        assert self._table is not None
        return torch.from_numpy(self._table[list(views), [self._place[id] for id in ids]])


def number_of(text: str) -> int:
    """A number that stands for an id or a digest, where numbers are drawn: 0 .. 2^64 - 1."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
