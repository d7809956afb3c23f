"""From decoded frames to network input, as HCRN and DualVGR do it.

Resize straight to a square with PIL's bicubic filter (antialiased): no crop, the aspect ratio is not kept. Appearance input is
(x/255 - mean)/std in float64, then float32; motion input is the raw 0..255 values in float32. Both come with the channels last in
memory, as the frames are: that is what the networks are fastest on.
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


def resize(frame: Images, size: int, method: str = "pil") -> Images:
    """Resize a uint8 RGB frame (H, W, 3) to (size, size, 3), bicubic with antialiasing, by ``"pil"`` or ``"torch"``.

    torch is several times as fast, and off by a level here and there: see docs/FEATURES.md.
    """
    if method == "pil":
        return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC))
    from torch import from_numpy
    from torch.nn.functional import interpolate

    planes = from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
    return interpolate(planes, (size, size), mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()


def appearance_input(frames: Images, normalise: str = "paper") -> FloatArray:
    """uint8 frames (K, S, S, 3) -> float32 (K, 3, S, S), normalised per channel (computed in float64)."""
    values = np.arange(256, dtype=np.float64) / 255
    mean, std = np.array(IMAGENET_MEAN)[:, None], np.array(STD[normalise])[:, None]
    table = ((values - mean) / std).astype(np.float32)
    places = frames + np.array([0, 256, 512], np.uint16)  # of each value of each channel in the table
    x: FloatArray = table.take(places, mode="clip")  # without looking for places outside, of which there are none
    return x.transpose(0, 3, 1, 2)


def motion_input(clips: Images, mode: str = "raw255") -> FloatArray:
    """uint8 clips (C, F, S, S, 3) -> float32 (C, 3, F, S, S) in 0..255, or normalised as ``mode`` says."""
    x = clips.astype(np.float32)
    if mode == "mean_subtract":
        x -= _channel(ACTIVITYNET_MEAN)
    elif mode == "kinetics2020":
        x = (x / np.float32(255) - _channel(KINETICS2020_MEAN)) / _channel(KINETICS2020_STD)
    elif mode == "symmetric":
        x = x / np.float32(127.5) - np.float32(1)
    return x.transpose(0, 4, 1, 2, 3)


def _channel(values: tuple[float, float, float]) -> FloatArray:
    return np.array(values, np.float32)
