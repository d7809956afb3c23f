"""Training on the windows of a split: what teacher and students give to the shared loop (:mod:`models.training.loop`).

Both passes of an epoch see the same batches of the same views: an order of the windows, and crop, mirror and contrastive clip of each, are
functions of seed, epoch and window.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from cache.errors import DataError
from cache.stage import Context
from models.training.ahead import Ahead
from models.training.crops import At
from models.training.loop import Recipe, fit
from models.training.result import Result
from systems.gkd.cvae import CVAE
from systems.gkd.detection.array_files import ArrayFiles, read_list
from systems.gkd.detection.examples import batch, example
from systems.gkd.detection.iteration import Sample, Weights
from systems.gkd.detection.networks import Detector
from systems.gkd.detection.updates import Learning, Settings, updates
from systems.gkd.detection.videos import Split, present, read_split
from systems.gkd.detection.windows import TrainingWindows, training_windows
from systems.gkd.switches import DETECTION

#: threads that load windows ahead
MOST_THREADS = 4
#: what black is in training, after scaling (quirk D10)
PADDING = "black"


class Pair(nn.Module):
    """A network and its CVAE, of which ``keep`` says whether the artifact holds it."""

    def __init__(self, network: Detector, cvae: CVAE | None, *, keep: bool) -> None:
        super().__init__()
        self.network, self.keep = network, keep
        if cvae is not None:
            self.cvae = cvae

    @property
    def generator(self) -> CVAE | None:
        """The CVAE, if there is one."""
        return getattr(self, "cvae", None)


class Step(NamedTuple):
    """The windows of a batch, by their places in the list, and its number in the epoch."""

    number: int
    places: tuple[int, ...]


class Material(NamedTuple):
    """What a network is trained on."""

    split: Split
    videos: list[str]
    arrays: ArrayFiles
    windows: TrainingWindows

    def about(self) -> dict[str, Any]:
        """What ``model.json`` says of it."""
        counts = {"listed": len(self.split.videos), "trained_on": len({window.video for window in self.windows.windows})}
        ambiguous = sum(self.split.ambiguous.values())
        return {"split": self.split.name, "videos": counts, "windows": len(self.windows.windows), "ambiguous_rows_left_out": ambiguous}


class WindowTask:
    """The networks of a training, and its windows."""

    def __init__(self, pair: Pair, seen: Material, params: Any, device: str) -> None:
        self.model: nn.Module = pair
        self.pair, self.seen, self.params, self.device = pair, seen, params, device
        self.fetched: Callable[[int, Step], Sample] = self.fetch

    def batches(self, epoch: int) -> list[Step]:
        """The batches of an epoch; windows that are left over wait for another one."""
        order = np.random.default_rng([self.params.seed, epoch]).permutation(len(self.seen.windows.windows)).tolist()
        size = min(self.params.batch_size, len(order))
        return [Step(number, tuple(order[number * size : (number + 1) * size])) for number in range(len(order) // size)]

    def load(self, epoch: int, step: Step) -> Sample:
        """The data of a batch on the device."""
        return on(self.fetched(epoch, step), self.device)

    def fetch(self, epoch: int, step: Step) -> Sample:
        """The same on the CPU; called ahead, in other threads."""
        params, seen = self.params, self.seen
        look = {"length": params.frames, "side": params.size, "padding": PADDING, "flow_flip": params.switch("flow_flip")}
        found = []
        for place in step.places:
            window = seen.windows.windows[place]
            piece = seen.windows.shortest[window.video]
            found.append(example(seen.arrays.open(window.video), window, piece, At(params.seed, epoch, place), **look))
        return batch(found, contrasted=params.switch("contrasted"))

    def kept(self) -> nn.Module:
        """The network, and a teacher's CVAE."""
        return self.pair if self.pair.keep or self.pair.generator is None else nn.ModuleDict({"network": self.pair.network})

    def validate(self) -> Mapping[str, float]:
        """Nothing, as published: the last epoch is kept."""
        return {}


def on(sample: Sample, device: str) -> Sample:
    """The same tensors on a device."""
    moved = {
        name: value.to(device)
        for name in ("clips", "boundaries", "contrastive_clips", "contrasts")
        if (value := getattr(sample, name)) is not None
    }
    return dataclasses.replace(sample, targets=[rows.to(device) for rows in sample.targets], **moved)


def material(ctx: Context) -> Material:
    """The windows of the split for training; the ledger says which videos are missing, and what is odd of the others.

    Raises DataError if there is no window.
    """
    params = ctx.params
    split, arrays = read_split(ctx.inputs["index"], params.split), read_list(ctx.inputs["arrays"])
    infos = split.infos(arrays.lengths, arrays.fps)
    windows = training_windows(infos, split.annotations(infos).rows, available=arrays.lengths, length=params.frames, stride=params.stride)
    videos = present(split, [arrays], ctx.ledger, windows.notes)
    if not windows.windows:
        raise DataError(f"no instance of {split.name} lies in a window of {params.frames} frames as a whole", hint="--set train.frames=...")
    return Material(split, videos, arrays, windows)


def train(ctx: Context, pair: Pair, seen: Material, weights: Weights, teacher: Detector | None, teacher_cvae: CVAE | None) -> Result:
    """Run the shared loop on the two passes, or on the network's alone if there is no CVAE."""
    params = ctx.params
    task = WindowTask(pair, seen, params, ctx.device)
    switches = {name: params.switch(name) for name in DETECTION if hasattr(params, name)}
    learning = Learning(pair.network, pair.generator, teacher, teacher_cvae, weights, switches)
    with Ahead(task.batches, task.fetch, max(1, min(ctx.workers, MOST_THREADS))) as task.fetched:
        epochs = params.epochs or epochs_of(pair.network, params.modality)
        settings = Settings(
            params.lr or rate_of(pair.network, params.modality),
            params.weight_decay,
            params.cvae_lr,
            steps=epochs * len(task.batches(0)) if params.schedule == "cosine" else 0,
            warmup=params.warmup,
        )
        recipe = Recipe(epochs, updates(learning, settings, task.batches, task.load))
        return fit(task, recipe, ctx.scratch, ctx.progress, section=section_of(ctx))


def rate_of(network: Detector, modality: str) -> float:
    """The published rate; the teacher's is not known, and taken to be that of AFSD."""
    return 1e-6 if network.kind == "student" and network.has_attention and modality == "rgb" else 1e-5


def epochs_of(network: Detector, modality: str) -> int:
    """The published number of epochs."""
    if modality == "flow":
        return 20
    return (50 if network.kind == "student" else 20) if network.has_attention else 16


def weights_of(params: Any, beta: float = 0.0) -> Weights:
    """The weights of the loss."""
    return Weights(params.lw, params.cw, params.ssl, beta, params.background, params.piou, focal_loss=params.focal_loss)


def section_of(ctx: Context) -> str:
    """The part of the configuration that a node's parameters stand in."""
    return ctx.node.rpartition(".s")[0] or ctx.node or "train"
