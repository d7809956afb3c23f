"""A training step of the distilled few-shot student and of the published one re-created, for ``benchmarks/steps.py``.

An episode: its clips pass a ResNet-18 in training mode, support and query one after the other; two branches, the comparison of both, the
support distances; the teacher's on its features, without gradients; the loss ``fc_2_sup_dist``; backward; SGD, which both sides share.
Nothing drops out, so both compute the same. The plain side is torchvision's network and the formula tuple by tuple, as published.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import torch
from litemkd import Plain
from torch import Tensor
from torch.nn import functional as F

from systems.litemkd import step
from systems.litemkd.heads import Head
from systems.litemkd.losses import TEMPERATURE
from systems.litemkd.model import Student
from systems.litemkd.objectives import OBJECTIVES
from systems.litemkd.support import support_distances
from systems.litemkd.trunk import make_lean

FRAMES, DIM = 8, 2048
SIZES = {"size": 224, "way": 5, "shot": 5, "queries": 5}
#: our convolutions are compiled code, which the counter does not see; by Winograd's algorithm they need fewer: the share can be above 1
COUNTED = "plain"
#: Largest relative differences; of gradients, of the norm of a parameter's. Where a value is within rounding of zero, or of another
#: maximum, ReLU and pooling pass the gradient another way: PyTorch's own step differs by 5e-3 from float64, and by 2e-2 in channels last.
ALLOWED = {"loss": 1e-5, "gradients": 2e-2, "running statistics": 1e-5}


def clips(count: int, size: int) -> Tensor:
    """Soft blobs that move, another colour each, and a little noise."""
    coarse = F.interpolate(torch.rand(count, 3, 4, 6, 6), (FRAMES, size, size), mode="trilinear").transpose(1, 2)
    return 0.9 * coarse + 0.1 * torch.rand(coarse.shape)


class Side:
    """What both sides have: weights, an episode, the teacher's head."""

    def __init__(self, options: argparse.Namespace) -> None:
        torch.set_num_threads(options.threads)
        torch.manual_seed(0)
        self.student = Student("resnet18", "d2m", "d2m", DIM, dropout=0.0, support_grouping="position").train()
        self.teacher = Head("trx-support", DIM, dropout=0.0, support_grouping="position").requires_grad_(False).train()
        self.labels = torch.arange(options.way).repeat_interleave(options.shot)[torch.randperm(options.way * options.shot)]
        self.wanted = torch.arange(options.way).repeat_interleave(options.queries)
        self.clips = clips(len(self.labels), options.size), clips(len(self.wanted), options.size)
        self.features = torch.randn(len(self.labels), FRAMES, DIM), torch.randn(len(self.wanted), FRAMES, DIM)
        self.moves = torch.optim.SGD(self.student.parameters(), lr=1e-4)

    def loss(self) -> Tensor:
        """Of the episode."""
        raise NotImplementedError

    def learn(self) -> Mapping[str, float]:
        """A step."""
        self.student.zero_grad()
        loss = self.loss()
        loss.backward()
        self.moves.step()
        return {"loss": float(loss.detach())}

    def computed(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Gradients, and what batch normalisation remembers."""
        gradients = {name: each.grad for name, each in self.student.named_parameters() if each.grad is not None}
        return {
            "gradients": gradients,
            "running statistics": {name: each for name, each in self.student.named_buffers() if "running" in name},
        }


class Ours(Side):
    """The step of the ``student`` stage."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        if not make_lean(self.student.backbone.trunk):
            raise SystemExit("no lean form of the trunk here: is there a C compiler?")

    def loss(self) -> Tensor:
        with torch.no_grad():
            targets = self.teacher({"first": self.features[0]}, self.labels, {"first": self.features[1]})
        known, asked = self.clips
        rest = (targets, OBJECTIVES["fc_2_sup_dist"], TEMPERATURE)
        return step.loss(self.student, known, self.labels, asked, self.wanted, *rest)[0]


class Published(Side):
    """The same, operation by operation."""

    def __init__(self, options: argparse.Namespace) -> None:
        super().__init__(options)
        self.compare = Plain(self.student.classifier.transformers)
        self.compare_teacher = Plain(self.teacher.transformers)

    def see(self, images: Tensor) -> tuple[Tensor, Tensor]:
        backbone = self.student.backbone
        pooled = F.adaptive_max_pool2d(backbone.resnet(images.flatten(0, 1)), 4).flatten(2).mean(2)
        return tuple(branch(pooled).unflatten(0, (-1, FRAMES)) for branch in (backbone.fc1, backbone.fc2))  # type: ignore[return-value]

    def loss(self) -> Tensor:
        (known_1, known_2), (asked_1, asked_2) = (self.see(images) for images in self.clips)
        kl, ce = self.compare(known_1, self.labels, asked_1), self.compare(known_2, self.labels, asked_2)
        sup = support_distances(known_2, self.labels, "position")
        with torch.no_grad():
            kl_t = self.compare_teacher(self.features[0], self.labels, self.features[1])
            sup_t = support_distances(self.features[0], self.labels, "position")
        soft = F.kl_div(F.log_softmax(kl / 4, 1), F.softmax(kl_t / 4, 1), reduction="batchmean") * 16
        x, y = (each.softmax(1) - each.softmax(1).mean(1, keepdim=True) for each in (sup, sup_t))
        relation = 1 - ((x * y).sum(1) / (x.norm(dim=1) * y.norm(dim=1) + 1e-8)).mean()
        return soft + 0.5 * relation + F.cross_entropy(ce, self.wanted) / 16


SIDES: dict[str, type[Side]] = {"ours": Ours, "plain": Published}
