"""A pre-training step of XKD and of a plain re-creation of the released one (``xkd_plain.py``), for ``benchmarks/steps.py``.

Published sizes: ViT-B, clips of 32x112x112 and 80x448, 8192 outputs. Both start from the same weights and see the same views and noise;
the losses of two steps must agree, so the second also compares gradients, AdamW, clips and teachers. Learning rate and momentum are
constant. A plain step of 4 clips needs 7 GB.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping

import torch
import xkd_plain
from torch import Tensor

from models.training.schedules import constant
from models.training.updates import Learner, Loss, Update
from systems.xkd import optimise
from systems.xkd.blocks import Width
from systems.xkd.head import HeadWidth
from systems.xkd.model import SIZES as PUBLISHED
from systems.xkd.model import XKD, Objective, Sizes
from systems.xkd.patches import Audio, Video

#: ``gradients``: the plain side sets old ones to 0 (zero), as PyTorch did in the year of the release, or drops them (none), as it does now
SIZES = {"batch": 4, "small": 0, "gradients": "zero"}
ALLOWED = {"loss": 1e-4, "second loss": 1e-4}
COUNTED = "ours"
RATE, DECAY, MOMENTUM = 1e-4, 0.3, 0.997
SMALL = Sizes(Video(4, 16, 2, 8), Audio(8, 16, 4, 4), Width(12, 2, 3), Width(8, 1, 2), HeadWidth(10, 6, 20))
Batch = tuple[list[Tensor], list[Tensor], tuple[Tensor, Tensor]]


def batch_of(count: int, sizes: Sizes) -> Batch:
    """A global and a local view of every clip and sound, and the noise of the masks."""
    draw = torch.Generator().manual_seed(1)
    video, audio = sizes.video, sizes.audio
    frames, size = video.frames // 4, 96 if video.size == 112 else video.patch

    def views(*shapes: tuple[int, ...]) -> list[Tensor]:
        return [torch.randn(count, *shape, generator=draw) for shape in shapes]

    seen = views((3, video.frames, video.size, video.size), (3, max(frames, video.depth), size, size))
    heard = views((1, audio.bands, audio.width), (1, audio.bands, audio.width // 4))
    noise = torch.rand(count, video.tokens, generator=draw), torch.rand(count, audio.tokens, generator=draw)
    return seen, heard, noise


def ours(net: XKD, batch: Batch) -> Callable[[], dict[str, float]]:
    """The step of the loop, which sees one batch again and again."""
    last: dict[str, Tensor] = {}

    def loss(_: Batch) -> Loss:
        last.update(net(*batch))
        return last["loss"], {}, len(batch[0][0])

    groups = optimise.groups(net, constant(RATE), constant(DECAY))
    after = optimise.teachers_follow(net, constant(MOMENTUM), constant(MOMENTUM))
    learner = Learner(Update("pretrain", lambda epoch: [batch], loss, groups, optimise.prompt(net), after=after))

    def step() -> dict[str, float]:
        learner.learn(batch, 0, last=False)
        return {name: float(value.detach()) for name, value in last.items()}

    return step


def plain(net: XKD, batch: Batch, gradients: str) -> Callable[[], dict[str, float]]:
    """The released step."""
    moves = xkd_plain.optimizer(net, RATE, DECAY)
    return lambda: xkd_plain.step(net, moves, batch, MOMENTUM, gradients)


class Step:
    """A side: the network, its batch, and how it steps."""

    def __init__(self, options: argparse.Namespace, way: Callable[[XKD, Batch], Callable[[], dict[str, float]]]) -> None:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        sizes = SMALL if options.small else PUBLISHED
        net = XKD(sizes=sizes, objective=Objective(teacher_view="index1")).train()
        self.step = way(net, batch_of(options.batch, sizes))

    def learn(self) -> Mapping[str, float]:
        """A step; all of its losses."""
        return self.step()

    def computed(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Nothing but the losses."""
        return {}


SIDES = {
    "ours": lambda options: Step(options, ours),
    "plain": lambda options: Step(options, lambda net, batch: plain(net, batch, options.gradients)),
}
