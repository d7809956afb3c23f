"""From decoded frames to network input, as HCRN and DualVGR do it.

Resize straight to a square with PIL's bicubic filter (antialiased): no crop, the aspect ratio is not kept. Appearance input is
(x/255 - mean)/std in float64, then float32; motion input is the raw 0..255 values in float32.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.weights import ACTIVITYNET_MEAN, IMAGENET_MEAN, IMAGENET_STD, PAPER_STD

Images = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

STD = {"paper": PAPER_STD, "imagenet": IMAGENET_STD}
KINETICS2020_MEAN = (0.4345, 0.4051, 0.3775)
KINETICS2020_STD = (0.2768, 0.2713, 0.2737)


def resize(frame: Images, size: int) -> Images:
    """Resize a uint8 RGB frame (H, W, 3) to (size, size, 3)."""
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC))


def appearance_input(frames: Images, normalise: str = "paper") -> FloatArray:
    """uint8 frames (K, S, S, 3) -> float32 (K, 3, S, S), normalised per channel (computed in float64)."""
    values = np.arange(256, dtype=np.float64)[:, None] / 255
    table = ((values - np.array(IMAGENET_MEAN)) / np.array(STD[normalise])).astype(np.float32)
    return np.stack([table[frames[..., c], c] for c in range(3)], axis=1)


def motion_input(clips: Images, mode: str = "raw255") -> FloatArray:
    """uint8 clips (C, F, S, S, 3) -> float32 (C, 3, F, S, S) in 0..255, or normalised as ``mode`` says."""
    x = np.ascontiguousarray(clips.transpose(0, 4, 1, 2, 3)).astype(np.float32)
    if mode == "mean_subtract":
        x -= _channel(ACTIVITYNET_MEAN)
    elif mode == "kinetics2020":
        x = (x / np.float32(255) - _channel(KINETICS2020_MEAN)) / _channel(KINETICS2020_STD)
    elif mode == "symmetric":
        x = x / np.float32(127.5) - np.float32(1)
    return x


def _channel(values: tuple[float, float, float]) -> FloatArray:
    return np.array(values, np.float32).reshape(3, 1, 1, 1)
