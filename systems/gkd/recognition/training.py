"""Training on the clips of a fold: what teacher and students give to the shared loop (:mod:`models.training.loop`).

Both passes of an epoch see the same batches of the same views: an order of the clips, and a place, a crop and a mirror for each, are
functions of seed, epoch and clip. One process trains, because the attention's weighting couples the clips of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from cache.stage import Context
from models.training.ahead import Ahead
from models.training.crops import At
from models.training.loop import Recipe, fit
from models.training.result import Result
from models.training.updates import Update
from systems.gkd.cvae import CVAE
from systems.gkd.recognition.clips import Clips
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.seen import Look
from systems.gkd.recognition.two_steps import SETTINGS, Batch, Settings, Teacher, TwoSteps, updates
from systems.gkd.recognition.videos import Split, Video, listed, present
from systems.gkd.running_statistics import follow

#: clips of a step, as published
BATCH_SIZES = {"rgb": 6, "flow": 12}
#: threads that load clips ahead
MOST_THREADS = 4


class Pair(nn.Module):
    """A network and its CVAE, of which ``keep`` says whether the artifact holds it."""

    def __init__(self, network: Recogniser, cvae: CVAE | None, *, keep: bool) -> None:
        super().__init__()
        self.network, self.keep = network, keep
        if cvae is not None:
            self.cvae = cvae


class Step(NamedTuple):
    """The clips of a batch, by their places in the list, and its number in the epoch."""

    number: int
    places: tuple[int, ...]


class ClipTask:
    """The networks of a training, and its clips."""

    def __init__(self, pair: Pair, videos: Sequence[Video], clips: Clips, params: Any, device: str) -> None:
        self.model: nn.Module = pair
        self.pair, self.videos, self.clips, self.params, self.device = pair, videos, clips, params, device
        self.look = Look.of(params)
        self.size = params.batch_size or BATCH_SIZES[params.modality]
        self.fetched: Callable[[int, Step], Batch] = self.fetch

    def batches(self, epoch: int) -> list[Step]:
        """The batches of an epoch; the last may be smaller."""
        order = np.random.default_rng([self.params.seed, epoch]).permutation(len(self.videos)).tolist()
        return [Step(number, tuple(order[start : start + self.size])) for number, start in enumerate(range(0, len(order), self.size))]

    def load(self, epoch: int, step: Step) -> Batch:
        """Clips (B, C, T, S, S) and labels (B,) of a batch."""
        clips, labels = self.fetched(epoch, step)
        return clips.to(self.device), labels.to(self.device)

    def fetch(self, epoch: int, step: Step) -> Batch:
        """The same on the CPU; called ahead, in other threads."""
        seed = self.params.seed
        views = [self.look.drawn(self.clips, self.videos[place].id, At(seed, epoch, place)) for place in step.places]
        labels = [self.videos[place].label for place in step.places]
        return torch.from_numpy(np.stack(views)), torch.tensor(labels)

    def kept(self) -> nn.Module:
        """The network, and a teacher's CVAE."""
        return self.pair if self.pair.keep or not hasattr(self.pair, "cvae") else nn.ModuleDict({"network": self.pair.network})

    def validate(self) -> Mapping[str, float]:
        """Nothing, as published: the last epoch is kept."""
        return {}


class Material(NamedTuple):
    """What a network is trained on."""

    split: Split
    videos: list[Video]
    clips: Clips

    def about(self) -> dict[str, Any]:
        """What ``model.json`` says of it."""
        return {"split": self.split.name, "videos": {"listed": len(self.split.videos), "trained_on": len(self.videos)}}


def material(ctx: Context) -> Material:
    """The clips of the fold's part for training; the ledger says which are missing."""
    params = ctx.params
    split = listed(ctx.inputs["index"], f"{params.fold}/train")
    clips = Clips(ctx.inputs["frames"], ctx.input_items["frames"], params.modality, cache_mb=params.cache_mb)
    return Material(split, present(split, clips.ids, ctx.ledger), clips)


def train(ctx: Context, pair: Pair, seen: Material, *, teacher: Teacher | None = None, weighted: bool = True, **weights: float) -> Result:
    """Run the shared loop on the two passes; ``weights`` are those of the distillation (:class:`TwoSteps`)."""
    params = ctx.params
    follow(pair.network.backbone, params.bn_momentum)
    task = ClipTask(pair, seen.videos, seen.clips, params, ctx.device)
    switches = {name: params.switch(name) for name in ("classification", "weighting", "statistics")}
    steps = TwoSteps(pair.network, getattr(pair, "cvae", None), teacher, switches=switches, weighted=weighted, **weights)
    with Ahead(task.batches, task.fetch, max(1, min(ctx.workers, MOST_THREADS))) as task.fetched:
        recipe = Recipe(params.epochs, passes(steps, params, task))
        return fit(task, recipe, ctx.scratch, ctx.progress, section=section_of(ctx))


def passes(steps: TwoSteps, params: Any, task: ClipTask) -> list[Update]:
    """The updates of an epoch with the rates of the stage's parameters."""
    lr = SETTINGS[params.modality].lr if params.lr is None else params.lr
    steps_taken = params.epochs * (len(task.batches(0)) // params.accumulate)
    settings = Settings(
        lr,
        params.momentum,
        params.weight_decay,
        params.cvae_lr,
        accumulate=params.accumulate,
        steps=steps_taken if params.schedule == "cosine" else 0,
    )
    return updates(steps, settings, task.batches, task.load)


def section_of(ctx: Context) -> str:
    """The part of the configuration that a node's parameters stand in."""
    return ctx.node.rpartition(".s")[0] or ctx.node or "train"
