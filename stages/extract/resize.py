"""Frames to the square that a network sees: straight to it, bicubic with antialiasing, no crop, the aspect ratio not kept."""

from __future__ import annotations

import time
from statistics import median

import numpy as np
import numpy.typing as npt
from PIL import Image

Images = npt.NDArray[np.uint8]

#: a picture of the size of MSR-VTT's videos, to measure with
PICTURE = (240, 320, 3)


def resize(frame: Images, size: int, method: str = "pil") -> Images:
    """Resize a uint8 frame (H, W, channels) to (size, size, channels) by ``"pil"`` or ``"torch"``. Each channel is resized by itself.

    torch is several times as fast, and off by a level here and there: see docs/FEATURES.md.
    """
    if method == "torch":
        from torch import from_numpy
        from torch.nn.functional import interpolate

        planes = from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)[None]
        return interpolate(planes, (size, size), mode="bicubic", antialias=True)[0].permute(1, 2, 0).numpy()
    if frame.shape[2] == 3:
        return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC))
    planes = [Image.fromarray(np.ascontiguousarray(frame[..., n])) for n in range(frame.shape[2])]
    return np.stack([np.asarray(plane.resize((size, size), Image.Resampling.BICUBIC)) for plane in planes], axis=2)


def rates(size: int, repeat: int = 40) -> dict[str, float]:
    """Pictures a second and thread of each way to resize, from 320 x 240 to ``size``."""
    picture = np.random.default_rng(0).integers(0, 256, PICTURE, dtype=np.uint8)
    taken: dict[str, list[float]] = {"pil": [], "torch": []}
    for _ in range(repeat):
        for method, seconds in taken.items():
            began = time.perf_counter()
            resize(picture, size, method)
            seconds.append(time.perf_counter() - began)
    return {method: 1 / median(seconds) for method, seconds in taken.items()}
