"""The pictures of a clip as a network sees them: resized, mirrored, cropped; all frames of a clip alike (spec B.6).

Nothing is normalised by mean and deviation, though the trunks were pretrained so (quirk 8, switch ``normalise``).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from cache.errors import ConfigError
from systems.litemkd.draws import Chance

Clip = npt.NDArray[np.uint8]
#: Pictures are resized to a short side of 8/7 of the crop: 256 for 224, 96 for 84.
RATIO = (8, 7)
#: Mean and deviation of ImageNet, for networks that were pretrained with them.
IMAGENET = (np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32))


class View(NamedTuple):
    """Whether a clip is mirrored, and then where it is cropped, in pixels from the top left."""

    mirrored: bool
    left: int
    top: int


def short_side(crop: int) -> int:
    """To which short side pictures are resized before a crop of this size. Raises ConfigError for a size that is no multiple of 7."""
    if crop <= 0 or crop % RATIO[1]:
        below = max(RATIO[1], crop - crop % RATIO[1])
        raise ConfigError(f"image_size = {crop} is no multiple of {RATIO[1]}", hint=f"published: 224 and 84; near: {below}")
    return crop * RATIO[0] // RATIO[1]


def resize(clip: Clip, short: int) -> Clip:
    """(T, H, W, 3) uint8 to a short side of ``short`` pixels, by Pillow's bilinear filter, which averages where it shrinks."""
    height, width = clip.shape[1:3]
    if min(height, width) == short:
        return clip
    if width < height:
        size = (short, int(short * height / width))
    else:
        size = (int(short * width / height), short)
    return np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR)) for frame in clip])


def centre_view(height: int, width: int, crop: int) -> View:
    """The crop in the middle; of two middles the even offset."""
    return View(False, round((width - crop) / 2), round((height - crop) / 2))


def random_view(height: int, width: int, crop: int, chance: Chance) -> View:
    """A crop anywhere, mirrored half of the time. Drawn in the order of the published code: mirror, left, top."""
    mirrored = chance.random() < 0.5
    return View(mirrored, chance.randint(0, width - crop), chance.randint(0, height - crop))


def view(clip: Clip, crop: int, chance: Chance | None = None, *, short: int | None = None) -> Clip:
    """(T, H, W, 3) to (T, crop, crop, 3): resized, then the middle, or a random view if there is a ``chance``."""
    clip = resize(clip, short_side(crop) if short is None else short)
    height, width = clip.shape[1:3]
    seen = centre_view(height, width, crop) if chance is None else random_view(height, width, crop, chance)
    if seen.mirrored:
        clip = clip[:, :, ::-1]
    return clip[:, seen.top : seen.top + crop, seen.left : seen.left + crop]


def network_input(clips: Clip, *, normalise: bool = False) -> npt.NDArray[np.float32]:
    """(..., H, W, 3) uint8 to (..., 3, H, W) float32 in [0, 1], or minus ImageNet's mean, divided by its deviation."""
    scaled = clips.astype(np.float32) / np.float32(255)
    if normalise:
        scaled = (scaled - IMAGENET[0]) / IMAGENET[1]
    return np.ascontiguousarray(np.moveaxis(scaled, -1, -3))
