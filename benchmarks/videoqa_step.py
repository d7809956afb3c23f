"""A training step of the teacher or the student of DualVGR at published sizes, for ``benchmarks/steps.py``.

Of MSVD-QA: 8 clips of 16 frames; 32 questions about as many videos, as MKD's students take turns with their teacher, which is asked at
every step, without gradients. Adam, gradients clipped to a norm of 12. Each side draws dropouts of its own, so losses and gradients are
compared without them, in double precision: in a deep graph all clips come to be alike, and the loss that compares them is rounding noise
there, so four layers are compared without it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import torch
import videoqa_plain
from torch import Tensor, nn

from models.training.clipping import total_norm
from models.training.schedules import constant
from models.training.updates import Group, Learner, Loss, Update
from systems.videoqa.losses import hard_loss, kd_loss
from systems.videoqa.model import DualVGR, DualVGROutput

ALPHA, BETA, CLIP, RATE = 100.0, 1e-6, 12.0, 1e-4
#: options -> published values; the vocabulary's sizes are those of MSVD-QA
SIZES = {
    "batch": 32,
    "clips": 8,
    "frames": 16,
    "vision": 2048,
    "width": 768,
    "words": 4000,
    "answers": 1852,
    "tokens": 20,
    "layers": 4,
    "alpha": ALPHA,
    "beta": BETA,
    "drop": 1.0,
}
ALLOWED: dict[str, float] = {}
COUNTED = "ours"
SMALL = {
    "batch": 6,
    "clips": 4,
    "frames": 5,
    "vision": 24,
    "width": 16,
    "words": 30,
    "answers": 12,
    "tokens": 12,
    "drop": 0.0,
    "threads": 1,
}


class Both:
    """Networks of one seed and a batch."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        self.taught = options.role == "student"
        self.alpha, self.beta, self.drop = options.alpha, options.beta, options.drop
        self.net = network(options, 1 if self.taught else options.layers).train()
        self.teacher = network(options, options.layers).eval().requires_grad_(False)
        shape = options.batch, options.clips
        self.appearance = torch.rand(*shape, options.frames, options.vision)
        self.motion = torch.rand(*shape, options.vision)
        self.question = torch.randint(2, options.words, (options.batch, options.tokens))
        self.lengths = torch.randint(3, 12, (options.batch,))
        self.question[torch.arange(options.tokens) >= self.lengths[:, None]] = 0
        self.answers = torch.randint(2, options.answers, (options.batch,))

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.appearance, self.motion, self.question, self.lengths

    def computed(self) -> Mapping[str, Mapping[str, Tensor]]:
        return {}


class Ours(Both):
    """The step of the shared loop."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        group = Group(list(self.net.parameters()), constant(RATE))
        self.learner = Learner(Update("network", lambda epoch: [None], self.loss, [group], clip=total_norm(CLIP)))
        self.value: dict[str, Tensor] = {}

    def loss(self, _: None) -> Loss:
        said: DualVGROutput = self.net(*self.inputs)
        own = said.logits, self.answers, said.com_app, said.com_motion, said.aq_fusion, said.mq_fusion
        hard = hard_loss(*own, alpha=self.alpha, beta=self.beta)
        total = hard.total
        if self.taught:
            with torch.no_grad():
                fused = self.teacher(*self.inputs).fused
            total = kd_loss(hard, said.appearance, said.motion, fused).total
        self.value = {"loss": total}
        return total, {}, len(self.answers)

    def learn(self) -> Mapping[str, float]:
        self.learner.learn(None, 0, last=False)
        return {name: float(value.detach()) for name, value in self.value.items()}


class Plain(Both):
    """The same, operation by operation."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.adam = torch.optim.Adam(self.net.parameters(), lr=RATE, foreach=False)

    def learn(self) -> Mapping[str, float]:
        self.adam.zero_grad()
        said = videoqa_plain.answer(self.net, *self.inputs, self.drop)
        loss = videoqa_plain.hard(said, self.answers, self.alpha, self.beta)
        if self.taught:
            with torch.no_grad():
                target = videoqa_plain.answer(self.teacher, *self.inputs, 0.0).fused
            loss = loss + videoqa_plain.taught(said, target)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), CLIP)
        self.adam.step()
        return {"loss": float(loss.detach())}


SIDES = {"ours": Ours, "plain": Plain}


def network(options: argparse.Namespace, layers: int) -> DualVGR:
    """A DualVGR without dropout."""
    return DualVGR(
        question_vocab_size=options.words,
        answer_vocab_size=options.answers,
        num_of_nodes=options.clips,
        vision_dim=options.vision,
        module_dim=options.width,
        graph_layers=layers,
        dropout=options.drop,
    )


def check(options: argparse.Namespace) -> str:
    """Raise AssertionError unless both sides have the same losses and gradients in double precision, without dropout."""
    torch.set_default_dtype(torch.float64)
    found = []
    for layers, alpha, beta in ((1, ALPHA, BETA), (4, 0.0, 0.0)):
        small = argparse.Namespace(**{**vars(options), **SMALL, "layers": layers, "alpha": alpha, "beta": beta})
        ours, plain = (build(small) for build in SIDES.values())
        torch.testing.assert_close(ours.learn(), plain.learn(), rtol=1e-9, atol=0)
        gradients = [dict(side.net.named_parameters()) for side in (ours, plain)]
        largest = max(float(each.grad.abs().max()) for each in gradients[1].values() if each.grad is not None)
        for name, each in gradients[1].items():
            if each.grad is not None:
                found.append(float((gradients[0][name].grad - each.grad).abs().max()) / largest)  # type: ignore[operator]
    torch.set_default_dtype(torch.float32)
    assert max(found) < 1e-9, f"gradients differ by {max(found):.1e} of the largest"
    return f"losses and gradients agree in double precision (to {max(found):.0e} of the largest gradient)"
