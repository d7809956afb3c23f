"""The arithmetic of :mod:`stages.extract.preprocess` on the device: bytes cross over, not floats, with the same values after."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from stages.extract.preprocess import Images, appearance_input, motion_input


def input_on(device: str, kind: str, mode: str) -> Callable[[Images], Tensor]:
    """Return uint8 frames (B, S, S, 3) or clips (B, F, S, S, 3) -> network input on ``device``, as ``preprocess`` makes it.

    ``mode`` is ``normalise`` for appearance, ``motion_input`` for motion.
    """
    on_host = appearance_input if kind == "appearance" else motion_input
    if device == "cpu":
        return lambda images: torch.from_numpy(on_host(images, mode))
    # Each mode takes a value of a channel to one value: a table of 256 x 3, made by the very functions above.
    ramp = np.arange(256, dtype=np.uint8)[:, None, None].repeat(3, axis=2)
    values = appearance_input(ramp[None], mode)[0, :, :, 0] if kind == "appearance" else motion_input(ramp[None, None], mode)[0, :, 0, :, 0]
    table = torch.from_numpy(np.ascontiguousarray(values)).to(device)
    offsets = torch.arange(3, dtype=torch.int32, device=device) * 256

    def on_device(images: Images) -> Tensor:
        bytes_ = torch.from_numpy(images)
        moved = (bytes_.pin_memory() if table.is_cuda else bytes_).to(device, non_blocking=True)
        x = table.flatten()[moved.int() + offsets]
        return x.movedim(-1, 1)

    return on_device
