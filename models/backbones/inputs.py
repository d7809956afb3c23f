"""From uint8 frames to network input, as HCRN and DualVGR do it, and I3D.

Every way takes a value of a channel to one float32: a table of 256 rows. Input comes with the channels last in memory, as the frames
are: that is what the networks are fastest on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.weights import ACTIVITYNET_MEAN, IMAGENET_MEAN, IMAGENET_STD, PAPER_STD

if TYPE_CHECKING:
    from torch import Tensor

Images = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

KINETICS2020_MEAN = (0.4345, 0.4051, 0.3775)
KINETICS2020_STD = (0.2768, 0.2713, 0.2737)


def table(how: str, channels: int) -> FloatArray:
    """Value and channel -> network input: (256, channels). ``how`` is one of :data:`models.backbones.kinds.INPUTS`.

    ``paper`` and ``imagenet``: (x/255 - mean)/std, computed in float64. The others in float32, from 0..255 as they are.
    """
    if how in ("paper", "imagenet"):
        std = PAPER_STD if how == "paper" else IMAGENET_STD
        return ((np.arange(256, dtype=np.float64)[:, None] / 255 - np.array(IMAGENET_MEAN)) / np.array(std)).astype(np.float32)
    x = np.arange(256, dtype=np.float32)[:, None].repeat(channels, axis=1)
    if how == "mean_subtract":
        x -= np.array(ACTIVITYNET_MEAN, np.float32)
    elif how == "kinetics2020":
        x = (x / np.float32(255) - np.array(KINETICS2020_MEAN, np.float32)) / np.array(KINETICS2020_STD, np.float32)
    elif how == "symmetric":
        x = x / np.float32(127.5) - np.float32(1)
    return x


def network_input(images: Images, how: str) -> FloatArray:
    """uint8 frames (B, S, S, channels) or clips (B, F, S, S, channels) -> float32 (B, channels, ...)."""
    return looked_up(images, table(how, images.shape[-1]))


def looked_up(images: Images, values: FloatArray) -> FloatArray:
    """uint8 (B, ..., channels) -> float32 (B, channels, ...) by a table (256, channels)."""
    places = images + np.arange(0, 256 * images.shape[-1], 256, dtype=np.uint16)  # of each value of each channel in the table
    x: FloatArray = values.T.take(places, mode="clip")  # without looking for places outside, of which there are none
    return np.moveaxis(x, -1, 1)


def input_on(device: str, how: str, channels: int) -> Callable[[Images], Tensor]:
    """The same as tensors on ``device``, where bytes cross over, not floats."""
    import torch

    if device == "cpu":
        return lambda images: torch.from_numpy(network_input(images, how))
    values = torch.from_numpy(np.ascontiguousarray(table(how, channels).T)).to(device).flatten()
    offsets = torch.arange(0, 256 * channels, 256, dtype=torch.int32, device=device)

    def on_device(images: Images) -> Tensor:
        bytes_ = torch.from_numpy(images)
        moved = (bytes_.pin_memory() if values.is_cuda else bytes_).to(device, non_blocking=True)
        return values[moved.int() + offsets].movedim(-1, 1)

    return on_device
