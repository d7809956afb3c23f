"""Frames of any size for networks that take some sizes only, and their flow back: resized, cropped or padded.

``resize``: to the next multiple, bilinear; the flow comes back to the size of the frame and is scaled with it (FlowNet 2.0 in Caffe).
``crop``: the middle, so that the flow is smaller than the frame (its PyTorch port).
``pad``: the border is repeated, evenly on both sides, and cut off the flow again (RAFT).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cache.errors import ConfigError, nearest
from models.experts.frame_size import FrameSizeError

RULES = ("resize", "crop", "pad")


@dataclass(frozen=True)
class Fit:
    """How frames of ``height`` x ``width`` become the network's, whose sides are multiples of ``multiple`` and at least ``least``.

    Raises ConfigError for an unknown rule, or a frame of which nothing would be left.
    """

    rule: str
    height: int
    width: int
    multiple: int
    least: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(f"unknown size_rule {self.rule!r}", hint=nearest(self.rule, RULES))
        if self.rule == "crop" and min(self.height, self.width) < max(self.multiple, self.least):
            raise FrameSizeError(
                f"frames of {self.width}x{self.height} pixels are too small for size_rule=crop, which keeps multiples of {self.multiple}",
                hint="size_rule=resize or pad takes frames of any size",
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width that the network sees."""
        if self.rule == "crop":
            return self.height // self.multiple * self.multiple, self.width // self.multiple * self.multiple
        high, wide = (-(-max(n, self.least) // self.multiple) * self.multiple for n in (self.height, self.width))
        return high, wide

    def to_network(self, frames: Tensor) -> Tensor:
        """Float frames (N, C, height, width) at the network's size."""
        high, wide = self.size
        if (high, wide) == (self.height, self.width):
            return frames
        if self.rule == "resize":
            return F.interpolate(frames, size=(high, wide), mode="bilinear", align_corners=False)
        if self.rule == "pad":
            top, left = self._corner()
            return F.pad(frames, (left, wide - self.width - left, top, high - self.height - top), mode="replicate")
        top, left = self._corner()
        return frames[..., top : top + high, left : left + wide]

    def to_frame(self, flow: Tensor) -> Tensor:
        """The network's flow (N, 2, h, w) as one of the frame, in its pixels; with ``crop``, of its middle."""
        high, wide = self.size
        if self.rule == "crop" or (high, wide) == (self.height, self.width):
            return flow
        if self.rule == "pad":
            top, left = self._corner()
            return flow[..., top : top + self.height, left : left + self.width]
        scale = torch.tensor([self.width / wide, self.height / high], dtype=flow.dtype, device=flow.device).reshape(1, 2, 1, 1)
        return F.interpolate(flow, size=(self.height, self.width), mode="bilinear", align_corners=False) * scale

    def _corner(self) -> tuple[int, int]:
        """Rows and columns before the frame (pad), or before what is kept of it (crop)."""
        high, wide = self.size
        return abs(high - self.height) // 2, abs(wide - self.width) // 2
