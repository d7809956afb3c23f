"""The pictures of a clip as a network sees them: resized, cropped, mirrored, all pictures of a clip alike (spec 1.4).

Clips are uint8 (T, H, W, C): RGB with C = 3, or flow with C = 2 (x, y; 127.5 is no motion). Random choices are pure functions of seed,
epoch and item (:class:`models.training.crops.At`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from models.backbones.inputs import looked_up
from models.training.crops import PLACE, SCALE, At, Box, choice, flip
from models.weights import IMAGENET_MEAN, IMAGENET_STD

Clip = npt.NDArray[np.uint8]
#: channels -> sides of crops, as shares of the shorter side of the picture
RATIOS: Mapping[int, tuple[float, ...]] = {3: (1, 0.875, 0.75, 0.66), 2: (1, 0.875, 0.75)}
#: mean and deviation of flow, of both components
FLOW_MEAN, FLOW_STD = (0.5, 0.5), (0.226, 0.226)
#: corners of crops in quarters of the room that a crop of the network's size leaves: down, right
CORNERS = ((0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (0, 2), (4, 2), (2, 0), (2, 4), (1, 1), (1, 3), (3, 1), (3, 3))
#: to which short side HMDB51, whose pictures vary in size, is resized first
HMDB51_SHORT = 240


class View(NamedTuple):
    """What is cropped, maybe beyond the border, and whether it is mirrored."""

    box: Box
    mirrored: bool


def crop_sizes(height: int, width: int, ratios: Sequence[float]) -> list[tuple[int, int]]:
    """Heights and widths of the crops of several scales: pairs of neighbouring ratios of the shorter side."""
    sides = [int(min(height, width) * ratio) for ratio in ratios]
    return [(sides[i], sides[j]) for i in range(len(sides)) for j in range(len(sides)) if abs(i - j) <= 1]


def crop_corners(height: int, width: int, size: int) -> list[tuple[int, int]]:
    """The 13 top left corners, made for a crop of ``size``: crops of other sizes may end beyond the border (quirk R10)."""
    down, right = (height - size) // 4, (width - size) // 4
    return [(i * down, j * right) for i, j in CORNERS]


def random_view(at: At, height: int, width: int, channels: int, size: int = 224, ratios: Sequence[float] = ()) -> View:
    """A crop of random scale at a random corner, mirrored half of the time. Raises DataError for pictures smaller than ``size``.

    ratios: sides of crops, as shares of the shorter side of the picture; none are the published ones.
    """
    _check(height, width, size)
    sizes, corners = crop_sizes(height, width, ratios or RATIOS[channels]), crop_corners(height, width, size)
    box = Box(*corners[choice(at, PLACE, len(corners))], *sizes[choice(at, SCALE, len(sizes))])
    return View(box, flip(at))


def centre_view(height: int, width: int, size: int = 224) -> View:
    """The crop in the middle; of two middles the even offset. Raises DataError for pictures smaller than ``size``."""
    _check(height, width, size)
    return View(Box(round((height - size) / 2), round((width - size) / 2), size, size), False)


def see(clip: Clip, view: View, size: int = 224, *, flow_flip: str = "plain") -> Clip:
    """The view of a clip (T, H, W, C), resized to (T, size, size, C).

    A crop beyond the border is cut off there and then resized, so its shape is distorted (quirk R10).
    """
    box = view.box
    clip = resize(clip[:, box.top : box.top + box.height, box.left : box.left + box.width], size, size)
    return mirrored(clip, flow_flip) if view.mirrored else clip


def mirrored(clip: Clip, flow_flip: str = "plain") -> Clip:
    """A clip (T, H, W, C) with left and right exchanged; ``negated`` turns the x component of flow round as well (quirk R10)."""
    clip = clip[:, :, ::-1]
    if clip.shape[-1] == 2 and flow_flip == "negated":
        clip = np.stack([255 - clip[..., 0], clip[..., 1]], axis=-1)
    return clip


def scale(clip: Clip, short: int, *, flow_scale: str = "whole") -> Clip:
    """A clip (T, H, W, C) whose shorter side is ``short``. ``flow_scale``: ``half`` leaves the second half
    of a flow 0 (quirk R9)."""
    height, width = clip.shape[1:3]
    if min(height, width) == short:
        return clip
    if width < height:
        scaled = resize(clip, int(short * height / width), short)
    else:
        scaled = resize(clip, short, int(short * width / height))
    if clip.shape[-1] != 2 or flow_scale == "whole":
        return scaled
    cut = scaled.copy()
    last, component = divmod(len(cut), 2)  # of 2 T components x1 y1 x2 ..., T + 1 were filled
    cut[last, :, :, component + 1 :], cut[last + 1 :] = 0, 0
    return cut


def resize(clip: Clip, height: int, width: int) -> Clip:
    """Bilinear, without averaging where it shrinks, as OpenCV does it: a grey level may differ by one."""
    if clip.shape[1:3] == (height, width):
        return clip
    import torch
    from torch.nn import functional as F

    pictures = torch.from_numpy(np.ascontiguousarray(clip)).permute(0, 3, 1, 2)  # channels last in memory, which has a fast path
    resized = F.interpolate(pictures, (height, width), mode="bilinear", align_corners=False)
    return np.ascontiguousarray(resized.permute(0, 2, 3, 1).numpy())


def network_input(clip: Clip, normalise: str = "imagenet") -> npt.NDArray[np.float32]:
    """(T, S, S, C) to (C, T, S, S) float32: x/255 - mean, by the deviation; ``kinetics``: -1..1 (quirk R14)."""
    return np.ascontiguousarray(looked_up(clip[None], _table(clip.shape[-1], normalise))[0])


def _table(channels: int, normalise: str) -> npt.NDArray[np.float32]:
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if channels == 3 else (FLOW_MEAN, FLOW_STD)
    if normalise == "kinetics":
        mean, std = (0.5,) * channels, (0.5,) * channels
    values = np.arange(256, dtype=np.float64)[:, None] / 255
    return ((values - np.array(mean)) / np.array(std)).astype(np.float32)


def _check(height: int, width: int, size: int) -> None:
    if min(height, width) < size:
        raise DataError(f"pictures of {width} x {height} pixels, smaller than the network's {size}", hint="resize them, or --set size=...")
