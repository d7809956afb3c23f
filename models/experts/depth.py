"""The depth experts: frames made the network's working size, one network, depth made the frames' size again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from models.backbones.inputs import input_on
from models.backbones.published import load_into, read_state
from models.experts import small_depth
from models.experts.adabins import AdaBins, read_adabins
from models.experts.adabins_inference import SETTINGS, Predicted
from models.experts.adabins_quick import QuickAdaBins
from models.experts.depth_size import adabins_size, scaled
from models.experts.running import Expert, Job, Setup, by_network
from models.experts.small_depth import SmallDepth
from models.inference.batches import Array, Item

#: pictures of AdaBins that go through at once: their maps take half a gigabyte each
ON_CPU, ON_GPU = 1, 8


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


def adabins(setup: Setup, setting: str) -> Expert:
    """AdaBins for indoor scenes (``"nyu"``: to 10 m) or roads (``"kitti"``: to 80 m). Options: ``working``, ``mirror``."""
    known = SETTINGS[setting]
    size = adabins_size(setup.height, setup.width, int(setup.options.get("working", 0)))
    if setup.weights is None:
        torch.manual_seed(setup.seed)
        net = AdaBins(nearest=known.nearest, farthest=known.farthest).eval()
    else:
        net = read_adabins(setup.weights, known.nearest, known.farthest)
    on_cpu = setup.plan.device == "cpu"
    seeing = QuickAdaBins(net, *size) if on_cpu else net  # a GPU would rather have few large operations
    predicted = Predicted(seeing, setup.height, setup.width, mirror=bool(setup.options.get("mirror", False)))
    rows = ON_CPU if on_cpu else ON_GPU
    return DepthExpert(predicted, setup, size, "imagenet", f"adabins-{setting}", rows)


def small(setup: Setup) -> Expert:
    """small-depth, the network of the embedded world. Option: ``working``, the short side (120)."""
    short = int(setup.options.get("working", 0)) or small_depth.SHORT
    size = scaled(setup.height, setup.width, short, small_depth.MULTIPLE)
    torch.manual_seed(setup.seed)
    net = SmallDepth(*size)
    if setup.weights is not None:
        load_into(net, read_state(setup.weights), setup.weights.name)
    return DepthExpert(Resized(net, setup.height, setup.width), setup, size, "symmetric", "small-depth")


class Resized(nn.Module):
    """``net`` with its depth (B, h, w) made (B, height, width), bilinear."""

    def __init__(self, net: SmallDepth, height: int, width: int) -> None:
        super().__init__()
        self.net, self.size = net, (height, width)

    def forward_features(self, x: Tensor) -> Tensor:
        """The network's last map."""
        return self.net.forward_features(x)

    def pool(self, x: Tensor) -> Tensor:
        """Metres, in the size that is wanted."""
        return F.interpolate(self.net.pool(x)[:, None], self.size, mode="bilinear", align_corners=False)[:, 0]

    def feature(self, x: Tensor) -> Tensor:
        """Depth (B, height, width)."""
        return self.pool(self.forward_features(x))
