"""Training a DualVGR: the task that teacher and student give to the shared loop (:mod:`models.training.loop`).

The teacher minimises the hard loss; a distilled student adds the KL of its appearance and motion features from the
teacher's fused feature, read from a dump or computed at every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cache.stage import Context
from models.training.artifact import write_network
from models.training.clipping import total_norm
from models.training.determinism import make_deterministic
from models.training.loop import Recipe, fit
from models.training.schedules import by_epoch
from models.training.selection import Selection
from models.training.updates import Group, Update
from systems.videoqa.data import Batch, Features, Split, Vocabulary
from systems.videoqa.losses import hard_loss, kd_loss, logit_kd
from systems.videoqa.model import DualVGR, DualVGROutput


class Target(NamedTuple):
    """What the teacher says of a batch: its fused feature (B,C,d), and its logits (B,A) if they are learnt from."""

    fused: Tensor
    logits: Tensor | None = None


@dataclass(frozen=True)
class TargetSource:
    """Where targets come from: ``of(split, batch)``, with fused features ``width`` channels wide."""

    of: Callable[[Split, Batch], Target]
    width: int


class Projections(nn.Module):
    """Widens a narrow student's appearance and motion features (B,C,d) to the teacher's channels; thrown away after training."""

    def __init__(self, width: int, target: int) -> None:
        super().__init__()
        self.appearance = nn.Linear(width, target)
        self.motion = nn.Linear(width, target)


class Student(nn.Module):
    """A network together with the projections that it is trained with."""

    def __init__(self, network: DualVGR, projections: Projections) -> None:
        super().__init__()
        self.network = network
        self.projections = projections

    def forward(self, *inputs: Any) -> DualVGROutput:
        """The network's output, its appearance and motion features projected."""
        out = self.network(*inputs)
        return out._replace(appearance=self.projections.appearance(out.appearance), motion=self.projections.motion(out.motion))


@dataclass
class VideoQATask:
    """The questions of two splits, a network and its loss. ``target`` None trains without distillation."""

    model: DualVGR | Student
    train: Split
    val: Split
    params: Any
    device: str
    target: TargetSource | None = None

    def batches(self, epoch: int) -> Sequence[Tensor]:
        """Rows of every batch of ``epoch``."""
        params = self.params
        return self.train.shuffled(params.batch_size, params.seed, epoch, together=params.together)

    def loss(self, batch: Tensor) -> tuple[Tensor, Mapping[str, Tensor], int]:
        """Total loss of the training questions ``batch``."""
        data = self.train.batch(batch, self.device)
        total, terms = self._objective(self.train, data, answer(self.model, data))
        return total, terms, len(batch)

    def kept(self) -> DualVGR:
        """The network without its projections."""
        return self.model.network if isinstance(self.model, Student) else self.model

    def validate(self) -> Mapping[str, float]:
        """Accuracy and means of the losses over the validation split, of the questions whose video was not lost."""
        sums: dict[str, Tensor] = {}
        for rows in self.val.by_video(self.params.batch_size):
            data = self.val.batch(rows, self.device)
            out = answer(self.model, data)
            total, terms = self._objective(self.val, data, out)
            right = (out.logits.argmax(1) == data.answer).double().mean()
            for name, value in {"accuracy": right, "loss": total, **terms}.items():
                sums[name] = sums.get(name, torch.zeros((), dtype=torch.float64, device=value.device)) + value.double() * len(rows)
        return {name: float(total) / len(self.val) for name, total in sums.items()}

    def _objective(self, split: Split, data: Batch, out: DualVGROutput) -> tuple[Tensor, dict[str, Tensor]]:
        params = self.params
        hard = hard_loss(
            out.logits, data.answer, out.com_app, out.com_motion, out.aq_fusion, out.mq_fusion, alpha=params.alpha, beta=params.beta
        )
        terms = {"ce": hard.ce, "common": hard.common, "dependence": hard.dependence, "hard": hard.total}
        if self.target is None:
            return hard.total, terms
        target = self.target.of(split, data)
        loss = kd_loss(
            hard,
            out.appearance,
            out.motion,
            target.fused,
            kd_alpha=params.kd_alpha,
            kd_beta=params.kd_beta,
            t_app=params.t_app,
            t_mo=params.t_mo,
            reduction=params.kd_reduction,
        )
        terms |= {"kd_appearance": loss.app, "kd_motion": loss.mo}
        if target.logits is None:
            return loss.total, terms
        terms["kd_logits"] = logit_kd(out.logits, target.logits, params.t_logits)
        return loss.total + params.kd_logits * params.t_logits**2 * terms["kd_logits"], terms


def answer(model: DualVGR | Student, data: Batch) -> DualVGROutput:
    """Run the network on a batch; in eval mode every distinct video is encoded once."""
    return model(data.appearance, data.motion, data.question, data.length, data.video_index)


def train_network(
    ctx: Context, role: str, *, nothing: bool, target_of: Callable[[Split, Split], TargetSource | None], **about: str
) -> None:
    """Build a network from ``ctx.params``, train it and write it, with ``about`` in its ``model.json``.

    ``role`` is ``"teacher"`` or ``"student"``, which is also the section of its parameters.
    ``target_of(train, val)`` makes the source of the teacher's features, or None. ``nothing`` hides the video.
    The seed is set right before the network is built, so equal seeds give equal initial weights.
    """
    params = ctx.params
    features = Features(ctx.inputs["appearance"], ctx.inputs["motion"], memory_gb=params.memory_gb, nothing=nothing)
    train, val = (Split(ctx.inputs["questions"], name, features) for name in ("train", "val"))
    for split in (train, val):
        for id in split.lost:
            ctx.ledger.add(f"{split.name}/{id}", "missing", "its video has no features: the question is left out")
    target = target_of(train, val)  # before the seed is set: a teacher may be built here
    vocabulary = Vocabulary.load(ctx.inputs["questions"])
    glove = load_file(ctx.inputs["questions"] / "glove.safetensors")["glove"]
    arguments = {
        "question_vocab_size": len(vocabulary.questions),
        "answer_vocab_size": len(vocabulary.answers),
        "num_of_nodes": features.clips,
        "vision_dim": features.vision_dim,
        "module_dim": params.module_dim,
        "word_dim": int(glove.shape[1]),
        "graph_layers": params.graph_layers,
        "unit_layers": params.unit_layers,
        "dropout": params.dropout,
        "graph_index": params.graph_index,
        "word_softmax": params.word_softmax,
        "video_dropout": "shared" if nothing else params.video_dropout,
    }
    make_deterministic(params.seed, threads=params.threads)
    model = DualVGR(**arguments)
    if params.glove:
        model.load_glove(glove)
    whole = with_projections(model, target, params.seed) if target is not None and target.width != params.module_dim else model
    task = VideoQATask(whole.to(ctx.device), train, val, params, ctx.device, target)
    rate = by_epoch(params.lr, params.lr_steps, params.lr_decay)
    clip = total_norm(params.clip) if params.clip > 0 else None
    update = Update("network", task.batches, task.loss, [Group(list(task.model.parameters()), rate)], clip=clip)
    recipe = Recipe(params.epochs, [update], Selection("accuracy", patience=params.patience))
    result = fit(task, recipe, ctx.scratch, ctx.progress, section=role)
    coverage = {split.name: {"questions": split.total, "lost": len(split.lost)} for split in (train, val)}
    write_network(ctx.out, result, {**about, "role": role, "arguments": arguments, "seed": params.seed, "questions": coverage})


def with_projections(model: DualVGR, target: TargetSource, seed: int) -> Student:
    """Add the projections to the teacher's width without touching the random numbers that the network is trained with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Student(model, Projections(model.module_dim, target.width))
