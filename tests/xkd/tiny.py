"""A network small enough for tests, and views for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from systems.xkd.blocks import Width
from systems.xkd.head import HeadWidth
from systems.xkd.model import XKD, Objective, Sizes
from systems.xkd.patches import Audio, Video

SIZES = Sizes(Video(4, 16, 2, 8), Audio(8, 16, 4, 4), Width(12, 2, 3), Width(8, 1, 2), HeadWidth(10, 6, 20))


def network(variant: str = "xkd", **objective: Any) -> XKD:
    torch.manual_seed(0)
    return XKD(variant, SIZES, Objective(**objective))


def views(batch: int = 3, local: int = 1) -> tuple[list[Tensor], list[Tensor], tuple[Tensor, Tensor]]:
    """Video and audio views [global, local ...], and the noise of the masks."""
    draw = torch.Generator().manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=draw)

    video = [random(3, 4, 16, 16), *(random(3, 2, 8, 8) for _ in range(local))]
    noise = tuple(torch.rand(batch, n, generator=draw) for n in (SIZES.video.tokens, SIZES.audio.tokens))
    return video, [random(1, 8, 16), random(1, 8, 8)], (noise[0], noise[1])
