"""Pre-training as the shared loop sees it (:mod:`models.training.loop`): batches, views, losses, schedules (spec 7, 8).

The order of the clips, their windows and views, and what is hidden are functions of seed, epoch and clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cache.stage import Context
from models.training import distributed
from models.training.ahead import Ahead
from models.training.crops import At
from models.training.loop import Recipe, fit
from models.training.result import Result
from models.training.schedules import Moment, constant, cosine
from models.training.updates import Loss, Update
from systems.xkd.blocks import Width
from systems.xkd.head import HeadWidth
from systems.xkd.model import XKD, Objective, Sizes, Temperatures
from systems.xkd.optimise import adamw, clip_students, groups, prompt, teachers_follow
from systems.xkd.params import LEARNS
from systems.xkd.patches import Audio, Video
from systems.xkd.published import SIDES
from systems.xkd.recordings import Recordings
from systems.xkd.schedules import ramp
from systems.xkd.seen import Look
from systems.xkd.switches import VARIANTS
from systems.xkd.trained import Encoders, arguments

#: threads that load clips ahead
MOST_THREADS = 8


class Step(NamedTuple):
    """The clips of a batch, by their places in the list, and its number in the epoch."""

    number: int
    places: tuple[int, ...]


class Batch(NamedTuple):
    """Views (B, ...) of both modalities, [global, local ...], and the noise (B, N) that chooses what is hidden."""

    video: list[Tensor]
    audio: list[Tensor]
    noise: tuple[Tensor, Tensor]

    def to(self, device: str) -> Batch:
        """The same on a device."""
        video, audio, noise = ([tensor.to(device, non_blocking=True) for tensor in part] for part in self)
        return Batch(video, audio, (noise[0], noise[1]))


def build(params: Any) -> XKD:
    """The whole network of a stage's parameters, with random weights."""
    own = arguments(params, ())
    sizes = Sizes(
        Video(**own["video"]),
        Audio(**own["audio"]),
        Width(**own["width"]),
        Width(params.decoder_width, params.decoder_depth, params.decoder_heads),
        HeadWidth(params.hidden, params.bottleneck, params.out),
    )
    return XKD(params.variant, sizes, objective(params), params.centre_momentum)


def objective(params: Any) -> Objective:
    """The losses of a stage's parameters."""
    aligned, taught = LEARNS[params.learns]
    return Objective(
        align=params.align if aligned else 0.0,
        distil=params.distil if taught else 0.0,
        reconstruct=params.reconstruct,
        video_ratio=params.video_ratio,
        audio_ratio=params.audio_ratio,
        refine=params.refine,
        teacher_view=params.switch("teacher_view"),
        student_tau=params.switch("student_tau"),
        mmd=params.switch("mmd"),
    )


def kept(net: XKD) -> Encoders:
    """The encoders of students and teachers; without a loss between them, teachers only follow."""
    return Encoders.of({side: net.get_submodule(name.rstrip(".")) for side, name in SIDES.items()})  # type: ignore[misc]


class Pretraining:
    """The network and its clips, for the loop."""

    def __init__(self, net: XKD, ids: Sequence[str], recordings: Recordings, params: Any, device: str) -> None:
        self.model: nn.Module = net
        self.net, self.ids, self.recordings, self.params, self.device = net, ids, recordings, params, device
        self.look = Look(params.views, {"blur": params.switch("blur")})
        tied = any(LEARNS[params.learns])
        published = VARIANTS[params.variant]["local_video_views"]
        self.local_video = (published if params.local_video_views is None else params.local_video_views) if tied else 0
        self.local_audio = params.local_audio_views if tied else 0
        self.fetched: Callable[[int, Step], Batch] = self.fetch
        self.temperatures = temperatures(params)

    def batches(self, epoch: int) -> list[Step]:
        """Full batches in random order, as published; of fewer clips than a batch has, all."""
        order = np.random.default_rng([self.params.seed, epoch]).permutation(len(self.ids)).tolist()
        size = min(self.params.batch_size, len(order))
        return [Step(number, tuple(order[number * size : (number + 1) * size])) for number in range(len(order) // size)]

    def fetch(self, epoch: int, step: Step) -> Batch:
        """The views of a batch, on the CPU; called ahead, in other threads."""
        seed, net = self.params.seed, self.net
        views = [
            self.look.pretraining(self.recordings(self.ids[place]), At(seed, epoch, place), self.local_video, self.local_audio)
            for place in step.places
        ]
        video, audio = ([torch.from_numpy(np.stack(same)) for same in zip(*(both[n] for both in views))] for n in (0, 1))
        draw = np.random.default_rng([seed, epoch, step.number, 1])
        shapes = [(len(views), geometry.tokens) for geometry in (net.sizes.video, net.sizes.audio)]
        noise = [torch.from_numpy(draw.random(shape, np.float32)) for shape in shapes]
        return Batch(video, audio, (noise[0], noise[1]))

    def loss(self, batch: tuple[int, Step]) -> Loss:
        """The loss and its terms; centres move."""
        epoch, step = batch
        own = self.fetched(epoch, step).to(self.device)
        kind = self.device.partition(":")[0]
        half = self.params.precision == "amp" and kind != "cpu"
        with torch.autocast(kind, torch.float16, enabled=half):
            losses = self.net(own.video, own.audio, own.noise, self.temperatures(Moment(epoch, 0, 0)))
        return losses.pop("loss"), losses, len(step.places)

    def kept(self) -> nn.Module:
        """The encoders."""
        return kept(self.net)

    def validate(self) -> Mapping[str, float]:
        """Nothing: there are no labels, and the last epoch is kept, as published."""
        return {}


def temperatures(params: Any) -> Callable[[Moment], Temperatures]:
    """Those of an epoch; where none are given, the published ones of the variant."""
    published, epochs, tau = VARIANTS[params.variant], params.temperature_epochs, params.student_temperature
    ends = params.video_temperature or published["video_tau"], params.audio_temperature or published["audio_tau"]
    video, audio = (ramp(start, end, epochs) for start, end in ends)
    return lambda moment: Temperatures(video(moment), audio(moment), tau, tau)


def train(ctx: Context, net: XKD, ids: Sequence[str], recordings: Recordings) -> Result:
    """Run the shared loop; the last epoch is kept."""
    params = ctx.params
    task = Pretraining(net, ids, recordings, params, ctx.device)
    with Ahead(task.batches, task.fetch, max(1, min(ctx.workers, MOST_THREADS))) as task.fetched:
        return fit(task, Recipe(params.epochs, [update(task)]), ctx.scratch, ctx.progress, section=section_of(ctx))


def update(task: Pretraining) -> Update:
    """How the students learn and the teachers follow; all schedules are by step."""
    params, net = task.params, task.net
    each = len(task.batches(0))
    steps = params.epochs * each
    rate = cosine(params.lr, params.lr_final, steps, warmup=round(params.warmup_epochs * each))
    momentum = cosine(params.momentum, params.momentum_final, steps)
    half = params.precision == "amp" and task.device.startswith("cuda")
    at_once = not half and distributed.size() == 1
    return Update(
        "network",
        batches=lambda epoch: [(epoch, step) for step in task.batches(epoch)],
        loss=task.loss,
        groups=groups(net, rate, constant(params.weight_decay)),
        optimizer=prompt(net, params.clip) if at_once else adamw,
        clip=None if at_once else clip_students(net, params.clip),
        scaler=torch.amp.GradScaler() if half else None,
        after=teachers_follow(net, momentum, momentum),
    )


def section_of(ctx: Context) -> str:
    """The part of the configuration that a node's parameters stand in."""
    parts = ctx.node.split(".")
    return ".".join(parts[:2]) if len(parts) > 1 else ctx.node or "pretrain"
