"""Training on a partition: the task that teacher and student give to the shared loop (:mod:`models.training.loop`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cache.errors import ConfigError
from cache.stage import Context
from models.training import distributed, processes, telling
from models.training.clipping import each_tensor
from models.training.determinism import make_deterministic
from models.training.loop import Recipe, fit
from models.training.result import Result
from models.training.schedules import staircase
from models.training.selection import Selection
from models.training.updates import Group, Update
from systems.fewerframes.arithmetic import Normalisation, load_eigenvalues
from systems.fewerframes.batch_norm import BatchNorm
from systems.fewerframes.data import Batch, Partition, held_out, open_partition, view_of
from systems.fewerframes.losses import Objective, Target, cross_entropy
from systems.fewerframes.metrics import Metrics
from systems.fewerframes.mixture import MixtureOutput, self_distillation
from systems.fewerframes.networks import arguments, build, classifier_penalty, respond
from systems.fewerframes.optimiser import ClippedTFAdam, TFAdam
from systems.fewerframes.output import Output
from systems.fewerframes.trained import Prepared

#: what the teacher says of videos (places in the training file)
TargetSource = Callable[[Tensor], Target]


class Step(NamedTuple):
    """The videos of one step: ``places`` in the training partition, and whether the teacher is listened to."""

    places: Tensor
    distil: bool


@dataclass
class VideoTask:
    """A network, what it is trained on, its objective. ``targets`` None trains on the labels alone, as the last ``finetune`` epochs do."""

    model: nn.Module
    prepared: Prepared
    objective: Objective
    params: Any
    device: str
    targets: TargetSource | None = None
    finetune: int = 0

    def batches(self, epoch: int) -> Sequence[Step]:
        """The steps of ``epoch``; the last ``finetune`` epochs are without the teacher."""
        params = self.params
        distil = self.targets is not None and epoch < params.epochs - self.finetune
        shuffled = self.prepared.train.shuffled(params.batch_size, params.seed, epoch, drop_last=params.drop_last)
        return [Step(distributed.share(places), distil) for places in shuffled]

    def loss(self, step: Step) -> tuple[Tensor, Mapping[str, Tensor], int]:
        """Total loss of the training videos of ``step``, and its parts."""
        batch = self.prepared.train.batch(step.places, self.device)
        target = self.targets(batch.videos) if step.distil and self.targets is not None else None
        objective = self.objective if step.distil else self.objective.alone()
        total, parts = network_loss(self.model, self.prepared.normalisation, batch, objective, self.params, target)
        return total, parts, len(step.places)

    def kept(self) -> nn.Module:
        """The network."""
        return self.model

    def validate(self) -> Mapping[str, float]:
        """GAP, cross-entropy and Hit@1 over the held-out videos."""
        return validate(self.model, self.prepared, self.params, self.device)


def network_loss(
    model: nn.Module, normalisation: Normalisation, batch: Batch, objective: Objective, params: Any, target: Target | None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Objective of one network on a batch plus the penalty of its classifier, and of a mixture also its own terms (spec 5.7)."""
    out, mixture = respond(model, normalisation, batch)
    total, parts = objective(out, batch.labels, target)
    if params.l2:
        total = total + classifier_penalty(model, params.l2)
    if mixture is not None:
        total = total + _mixture_terms(out, mixture, batch.labels, params, parts)
    return total, parts


def _mixture_terms(out: Output, mixture: MixtureOutput, labels: Tensor, params: Any, parts: dict[str, Tensor]) -> Tensor:
    assert out.logits is not None
    branches = torch.sigmoid(mixture.branches).unbind(1)
    parts["ce_branches"] = torch.stack([cross_entropy(branch, labels, params.ce_epsilon) for branch in branches]).sum()
    parts["self_kd"] = self_distillation(out.logits, mixture.branches, params.self_temperature)
    return parts["ce_branches"] + params.self_weight * parts["self_kd"]


@torch.no_grad()
def validate(model: nn.Module, prepared: Prepared, params: Any, device: str) -> dict[str, float]:
    """GAP, cross-entropy and Hit@1 of a network over the held-out videos."""
    held = prepared.held
    metrics = Metrics(held.classes)
    for places in held.in_order(params.batch_size):
        batch = held.batch(places, device)
        out, _ = respond(model, prepared.normalisation, batch)
        loss = float(cross_entropy(out.probabilities, batch.labels, params.ce_epsilon))
        metrics.add(out.probabilities.cpu().numpy(), batch.labels.cpu().numpy(), loss=loss)
    result = metrics.result()
    return {"gap": result.gap, "ce": result.loss, "hit_at_one": result.hit_at_one}


def prepare(ctx: Context) -> Prepared:
    """Open the training partition through the view of the stage's parameters."""
    params = ctx.params
    store = open_partition(ctx.inputs["ingest"], "train")
    view = view_of(params)
    train, held = (Partition(store, view, videos) for videos in held_out(store, params.holdout))
    return Prepared(train, held, normalisation_of(ctx, train), arguments(params, train.classes, train.feature_sizes))


def normalisation_of(ctx: Context, partition: Partition) -> Normalisation:
    """The configured normalisation. Whitening takes its eigenvalues from the file that is set, or from beside the features.

    Raises ConfigError if there are none.
    """
    if ctx.params.normalisation != "whitening":
        return Normalisation(ctx.params.normalisation)
    beside = ctx.inputs["ingest"] / "eigenvals.npy"
    path = ctx.files.get("eigenvalues") or (beside if beside.is_file() else None)
    if path is None:
        raise ConfigError(
            "normalisation: whitening needs the eigenvalues of the PCA, and the features came without them",
            hint="--set teacher.eigenvalues=PATH --set student.eigenvalues=PATH, or normalisation: l2",
        )
    return Normalisation("whitening", torch.from_numpy(load_eigenvalues(path, partition.feature_sizes[0])))


def fresh_network(prepared: Prepared, params: Any, device: str) -> nn.Module:
    """Seed everything and build the network: equal seeds give equal initial weights."""
    make_deterministic(params.seed, threads=params.threads)
    return with_decay(build(**prepared.arguments), params.bn_decay).to(device)


def with_decay(model: nn.Module, decay: float) -> nn.Module:
    """Set the decay of all moving statistics."""
    for module in model.modules():
        if isinstance(module, BatchNorm):
            module.decay = decay
    return model


def together(ctx: Context, work: Callable[[Context], None]) -> None:
    """Run ``work(ctx)`` in as many processes as the stage's parameters say; each has a part of every batch.

    The first of them says how far they are. Raises ConfigError if the batches do not divide among them.
    """
    params, number = ctx.params, ctx.params.processes
    if number > 1 and (params.batch_size % number or not params.drop_last):
        raise ConfigError(
            f"batches of {params.batch_size} videos and a last one of any size do not divide among {number} processes",
            hint="choose a batch_size that is a multiple of processes, and drop_last: true",
        )
    shared = dataclasses.replace(ctx, progress=telling.progress)
    processes.run_together(number, _with_device, work, shared, device=ctx.device, progress=ctx.progress)


def _with_device(device: str, work: Callable[[Context], None], ctx: Context) -> None:
    work(dataclasses.replace(ctx, device=device))


def train_task(ctx: Context, task: Any, role: str) -> Result:
    """Run the shared loop with the recipe of the stage's parameters; ``role``, teacher or student, is also the section of these."""
    params = ctx.params
    rate = staircase(params.lr, samples=params.batch_size, every=params.decay_examples, factor=params.decay)
    at_once = params.clip > 0 and distributed.size() == 1  # several processes average whole gradients first
    clip = each_tensor(params.clip) if params.clip > 0 and not at_once else None
    group = Group(list(task.model.parameters()), rate, clip=clip)
    optimizer = partial(ClippedTFAdam, longest=params.clip) if at_once else TFAdam
    update = Update("network", task.batches, task.loss, [group], optimizer=optimizer)
    # its few blocks are large: kept, they leave gaps of half a GiB and more, and save no time (docs/TRAINING.md)
    recipe = Recipe(params.epochs, [update], Selection("gap", patience=params.patience), keep_memory=False)
    return fit(task, recipe, ctx.scratch, ctx.progress, section=role)
