"""What the depth experts share: frames made the network's working size, one network, a map of metres for each frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image
from torch import nn

from models.backbones.inputs import input_on
from models.experts.running import Job, Setup, by_network
from models.inference.batches import Array, Item


def scaled(height: int, width: int, short: int, multiple: int) -> tuple[int, int]:
    """(height, width) with the short side near ``short`` and the aspect kept, both rounded to multiples of ``multiple``."""
    scale = short / min(height, width)
    rounded = (max(multiple, round(side * scale / multiple) * multiple) for side in (height, width))
    return next(rounded), next(rounded)


class DepthExpert:
    """``net`` has the taps of the backbones: pictures (B, 3, h, w) of the working ``size`` to depth (B, height, width) of the frames."""

    def __init__(self, net: nn.Module, setup: Setup, size: tuple[int, int], how: str, what: str, rows: int = 0) -> None:
        device = setup.plan.device
        self._net = net.requires_grad_(False).eval().to(device)
        self._plan = dataclasses.replace(setup.plan, rows=rows or setup.plan.rows)
        self._size, self._what = size, what
        self._to_input = input_on(device, how, 3)

    def _before(self, frame: Array) -> Array:
        """A frame (H, W, 3) in the working size, bicubic with antialiasing."""
        if frame.shape[:2] == self._size:
            return frame
        return np.asarray(Image.fromarray(frame).resize(self._size[::-1], Image.Resampling.BICUBIC))

    def __call__(self, jobs: Sequence[Job], load: Callable[[Job], Item]) -> Iterator[tuple[str, list[Any]]]:
        """See :class:`models.experts.running.Expert`: float32 (H, W) in metres."""
        return by_network(self._net, jobs, load, self._plan, self._before, self._to_input, np.asarray, self._what)
