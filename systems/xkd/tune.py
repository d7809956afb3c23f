"""The stages ``linear`` and ``finetune``: a head on a frozen encoder, or both learning, with the labels of a split (spec 10.4 to 10.6).

Writes the network (:mod:`models.training.artifact`), ``scores.json``: top-1 and top-5, or where files have several classes mAP and AUC, and
``answers.npz``: the scored files' ids (n,), their best classes (n, k) as numbers, and the probabilities of these.
The last epoch is scored: released code reports the epoch that is best on the test set, which flatters.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cache.json_files import read_json, write_json
from cache.stage import Context
from models.evaluation.kept import TOP
from models.training import artifact
from models.training.ahead import Ahead
from models.training.crops import At
from models.training.determinism import make_deterministic
from models.training.loop import Recipe, fit
from models.training.schedules import Schedule, constant, cosine
from models.training.updates import Group, Loss, Update
from systems.xkd import metrics, mixing
from systems.xkd.classifier import Classifier, Finetuned
from systems.xkd.layer_decay import scaled
from systems.xkd.listed import Split, listed, present
from systems.xkd.recordings import Recordings
from systems.xkd.seen import Look
from systems.xkd.sizes import ViewSizes
from systems.xkd.trained import PREFIX, Encoders, read
from systems.xkd.training import MOST_THREADS, Step, section_of

#: how the test clips of a frozen encoder are made, and those of one that is tuned
PROTOCOL = {True: "linear", False: "finetune"}
#: how the weights of a head start
STARTS = {"video": "orthogonal", "audio": "normal"}


def linear(ctx: Context) -> None:
    """Train a head on a frozen encoder, and score it."""
    run(ctx, frozen=True)


def finetune(ctx: Context) -> None:
    """Train an encoder with a head, and score them."""
    run(ctx, frozen=False)


def run(ctx: Context, *, frozen: bool) -> None:
    """Either of both."""
    params = ctx.params
    pretrained = read(ctx.inputs["pretrain"], ctx.device)
    look = look_of(params, pretrained.look.sizes)
    sizes = look.sizes
    recordings = Recordings(
        ctx.inputs, ctx.input_items, (params.modality,), fps=sizes.fps, rate=sizes.rate, cache_mb=params.cache_mb
    )  # fmt: skip
    train, test = (listed(ctx.inputs["index"], name) for name in (params.train, params.test))
    ids, scored = (
        present(split.ids, set(recordings.ids), ctx.ledger, {id: recordings.lacking(id) for id in split.ids}) for split in (train, test)
    )
    make_deterministic(params.seed, threads=params.threads)
    encoder = pretrained.encoder(params.modality, params.role).requires_grad_(not frozen)
    width = encoder.cls_token.shape[-1]
    head = Classifier(width, len(train.classes), dropout=params.dropout, start=STARTS[params.modality])
    net = Finetuned(encoder, head).to(ctx.device)
    task = Tuning(net, train, ids, recordings, look, params, ctx.device, frozen=frozen)
    with Ahead(task.batches, task.fetch, max(1, min(ctx.workers, MOST_THREADS))) as task.fetched:
        result = fit(task, Recipe(params.epochs, [update(task)]), ctx.scratch, ctx.progress, section=section_of(ctx))
    classes = list(train.classes)
    about = {"modality": params.modality, "seed": params.seed, "classes": classes, "frozen": frozen, "split": train.name}
    artifact.write_network(ctx.out, result, {**about, "arguments": pretrained.about["arguments"]})
    logits = task.test(ctx, scored)
    write_json(ctx.out / "scores.json", {"files": len(scored), **measured(logits, test, scored, several=train.multi_label)})
    with (ctx.out / "answers.npz").open("wb") as file:
        np.savez(file, ids=np.array(scored), **best(probabilities(logits, several=train.multi_label)))


def look_of(params: Any, sizes: ViewSizes) -> Look:
    """What a network sees that is tuned on encoders of views of these sizes."""
    if params.modality == "video" and params.size:
        sizes = dataclasses.replace(sizes, size=params.size)
    return Look(sizes, {name: params.switch(name) for name in ("test_crops", "audio_dense")})


def read_tuned(directory: Path, device: str = "cpu") -> tuple[Finetuned, dict[str, Any]]:
    """The encoder and the head of an artifact, in eval mode, and its ``model.json``. Raises DataError if they do not fit."""
    about = read_json(directory / "model.json")

    def build(width: Mapping[str, int], video: Mapping[str, int], audio: Mapping[str, int], **_: Any) -> Finetuned:
        side = f"{PREFIX[about['modality']]}_teacher"
        encoder = Encoders([side], width, video, audio).sides()[side]
        return Finetuned(encoder, Classifier(encoder.cls_token.shape[-1], len(about["classes"])))

    return artifact.read_network(directory, build, device)


class Batch(NamedTuple):
    """Views (B, ...), their targets (B, classes), and how samples are mixed."""

    views: Tensor
    targets: Tensor
    mix: mixing.Mix


class Tuning:
    """A network, and the clips and labels that it learns from, for the loop."""

    def __init__(
        self,
        net: Finetuned,
        split: Split,
        ids: Sequence[str],
        recordings: Recordings,
        look: Look,
        params: Any,
        device: str,
        *,
        frozen: bool,
    ) -> None:
        self.model: nn.Module = net
        self.net, self.split, self.ids, self.recordings, self.look = net, split, ids, recordings, look
        self.params, self.device, self.frozen = params, device, frozen
        self.several = split.multi_label
        self.fetched: Callable[[int, Step], Batch] = self.fetch

    def batches(self, epoch: int) -> list[Step]:
        """All files in random order; the last batch may be smaller."""
        order, size = np.random.default_rng([self.params.seed, epoch]).permutation(len(self.ids)).tolist(), self.params.batch_size
        return [Step(number, tuple(order[start : start + size])) for number, start in enumerate(range(0, len(order), size))]

    def fetch(self, epoch: int, step: Step) -> Batch:
        """Random views of a batch and what they are, on the CPU; called ahead, in other threads."""
        params = self.params
        view = self.look.training if self.frozen else self.look.finetuning
        places = [At(params.seed, epoch, place) for place in step.places]
        views = np.stack([view(self.recordings(self.ids[at.index]), at, params.modality) for at in places])
        ids = [self.ids[place] for place in step.places]
        mix = self._mix(epoch, step, views.shape[-2:]) if not self.frozen and not self.several else mixing.Mix(1.0)
        if self.several:
            targets = torch.from_numpy(self.split.marks(ids))
        else:
            labels, smoothing = torch.from_numpy(self.split.numbers(ids)), getattr(params, "smoothing", 0.0)
            targets = mixing.targets(labels, len(self.split.classes), mix.share, smoothing)
        return Batch(torch.from_numpy(views), targets, mix)

    def _mix(self, epoch: int, step: Step, size: tuple[int, ...]) -> mixing.Mix:
        draw = np.random.default_rng([self.params.seed, epoch, step.number, 2])
        return mixing.draw(draw, (size[0], size[1]), self.params.mixup, self.params.cutmix)

    def loss(self, batch: tuple[int, Step]) -> Loss:
        """Cross-entropy with soft targets; where files have several classes, the binary one of each."""
        views, targets, mix = self.fetched(*batch)
        views, targets = views.to(self.device), targets.to(self.device)
        if mix.share < 1:
            views = mixing.mixed(views, mix, self.params.switch("cutmix_axes"))
        logits = self.net(views)
        loss = F.binary_cross_entropy_with_logits(logits, targets) if self.several else mixing.soft_cross_entropy(logits, targets)
        right = (logits.argmax(1) == targets.argmax(1)).float().mean()
        return loss, {"accuracy": right}, len(views)

    def kept(self) -> nn.Module:
        """Encoder and head."""
        return self.net

    def validate(self) -> Mapping[str, float]:
        """Nothing: the last epoch is kept."""
        return {}

    @torch.no_grad()
    def test(self, ctx: Context, ids: Sequence[str]) -> npt_logits:
        """Logits (files, clips, classes) of the fixed clips."""
        self.net.eval()
        found = []
        params = self.params
        with ctx.progress("test", total=len(ids)) as bar:
            for id in ids:
                clips = self.look.test(self.recordings(id), params.test_clips, params.crops, params.modality, PROTOCOL[self.frozen])
                found.append(self.net(torch.from_numpy(clips).to(self.device)).float().cpu().numpy())
                bar.step()
        return np.stack(found)


npt_logits = np.ndarray[Any, np.dtype[np.float32]]


def update(task: Tuning) -> Update:
    """AdamW with a cosine by step; fine-tuning with rates by layer."""
    params, each = task.params, len(task.batches(0))
    rate = cosine(params.lr, params.lr_final, params.epochs * each, warmup=round(params.warmup_epochs * each))
    named = dict(task.net.named_parameters())
    if task.frozen:
        groups = [Group([own for own in named.values() if own.requires_grad], rate, constant(params.weight_decay))]
    else:
        depth = task.net.backbone.encoder.width.depth
        parts = scaled(named.items(), depth, params.layer_decay, params.weight_decay)
        groups = [Group([named[name] for name in part.names], times(rate, part.scale), constant(part.weight_decay)) for part in parts]
    return Update(
        "network",
        batches=lambda epoch: [(epoch, step) for step in task.batches(epoch)],
        loss=task.loss,
        groups=groups,
        optimizer=lambda groups: torch.optim.AdamW(groups, fused=True),
    )


def times(rate: Schedule, scale: float) -> Schedule:
    """A schedule multiplied by a number."""
    return lambda moment: rate(moment) * scale


def measured(logits: npt_logits, split: Split, ids: Sequence[str], *, several: bool) -> dict[str, float]:
    """Scores of logits (files, clips, classes), as fractions."""
    said = probabilities(logits, several=several)
    if several:
        found = metrics.multi_label(said, split.marks(ids))
        return {"mAP": found.mean_ap, "AUC": found.mean_auc}
    return {f"top-{k}": metrics.top(said, split.numbers(ids), k) / 100 for k in (1, 5)}


def probabilities(logits: npt_logits, *, several: bool) -> npt.NDArray[np.float64]:
    """(files, clips, classes) to (files, classes): the mean over clips, each class by itself where files have ``several``."""
    return metrics.each_over_clips(logits) if several else metrics.over_clips(logits)


def best(said: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]]:
    """The best classes of each file, as numbers, and their probabilities; the smaller class wins a tie, as in top-1."""
    classes = np.argsort(-said, axis=1, kind="stable")[:, :TOP]
    return {"best": classes, "probabilities": np.take_along_axis(said, classes, 1)}
