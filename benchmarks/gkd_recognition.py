"""A whole two-step iteration of recognition and of a plain re-creation, at 64x224x224, for ``benchmarks/steps.py``.

The plain one is written from the formulas, as the published program works: maps laid out as PyTorch does by itself, both branches of the
CVAEs, a teacher and a teacher's CVAE that record gradients, attention convolved over all positions. Both start from the same weights
and noise; losses are compared, and gradients in double precision at a small size.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from systems.gkd.cvae import CVAE
from systems.gkd.generative_losses import GENERATIVE, cvae_loss, ramp, squared
from systems.gkd.recognition.frozen_teacher import FrozenTeacher
from systems.gkd.recognition.losses import BETA
from systems.gkd.recognition.network import Recogniser
from systems.gkd.recognition.published import KERNELS, cvae_branch
from systems.gkd.recognition.two_steps import Teacher, TwoSteps

SIZES = {"frames": 64, "size": 224, "width": 1.0}
ALLOWED = {"loss": 1e-4, "second loss": 1e-3}
COUNTED = "ours"
EPOCH = 7
Noise = Callable[[Sequence[int]], Tensor]
#: student, its CVAE, teacher, its CVAE
Networks = tuple[Recogniser, CVAE, Recogniser, CVAE]
#: the losses of both passes of networks, clips, labels and noise
Passes = Callable[[Networks, Tensor, Tensor, Noise], Iterator[Tensor]]


def plain_maps(net: Recogniser, clips: Tensor) -> tuple[Tensor, Tensor]:
    """The last map and its attention."""
    features = net.backbone.net.forward_features(clips)
    return features, net.Att_Head_5c(F.interpolate(net.deconv1(features).flatten(2), features.shape[1], mode="nearest"))


def plain(networks: Networks, clips: Tensor, labels: Tensor, noise: Noise) -> Iterator[Tensor]:
    """Both passes, as they are written down."""
    student, cvae, teacher, teacher_cvae = networks
    student.requires_grad_(False)
    features, attention = plain_maps(student, clips)
    shape = (len(clips), features.shape[2], features.shape[1])
    made, aim = cvae(features, attention, noise(shape)), teacher_cvae(features, attention, noise(shape))
    yield cvae_loss(features, made, attention) + GENERATIVE * squared(made.features, aim.features)
    student.requires_grad_(True)
    cvae.requires_grad_(False)
    features, attention = plain_maps(student, clips)
    weighted = features * attention[..., None, None]
    logits = student.classify(weighted / weighted.sum() * features.sum())
    sample = cvae.sample(attention, noise(shape))
    _, wanted = plain_maps(teacher, clips)
    distilled = squared(attention, wanted.detach())
    yield F.cross_entropy(logits.softmax(1).sum(2), labels) + ramp(EPOCH) * squared(sample, features) + BETA * distilled
    cvae.requires_grad_(True)


def ours(networks: Networks, clips: Tensor, labels: Tensor, noise: Noise) -> Iterator[Tensor]:
    """Both passes, as the updates run them."""
    student, cvae, teacher, teacher_cvae = networks
    steps = TwoSteps(student, cvae, Teacher(teacher_cvae, frozen(teacher)), noise=noise)
    yield steps.make(clips, labels)[0]
    yield steps.recognise(clips, labels, EPOCH)[0]


WAYS: dict[str, Passes] = {"plain": plain, "ours": ours}
_frozen: dict[int, FrozenTeacher] = {}


def frozen(teacher: Recogniser) -> FrozenTeacher:
    """One for all iterations."""
    return _frozen.setdefault(id(teacher), FrozenTeacher(teacher))


def setting(options: argparse.Namespace, way: str) -> tuple[Networks, Tensor, Tensor]:
    """Networks of one seed, a clip, a label. At full width the plain CVAEs have both branches; the used one is the same in both ways."""
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    sizes: dict[str, Any] = {"frames": options.frames, "size": options.size, "width": options.width, "dropout": 0.0}
    student, teacher = Recogniser("student", 101, **sizes).train(), Recogniser("teacher", 101, **sizes).eval()
    cvaes = [cvae_branch(student), cvae_branch(teacher)]
    clip, label = torch.randn(1, 3, options.frames, options.size, options.size), torch.tensor([3])
    if way == "plain" and options.width == 1:
        for i, kind in enumerate(KERNELS):
            whole = CVAE({1024: student.map_shape[::2], 832: (832, KERNELS[kind][832])})  # type: ignore[dict-item]
            whole.load_state_dict(cvaes[i].state_dict(), strict=False)
            cvaes[i] = whole
    return (student, cvaes[0], teacher, cvaes[1]), clip, label


def seeded() -> Noise:
    generator = torch.Generator().manual_seed(5)
    return lambda shape: torch.randn(*shape, generator=generator, dtype=torch.float32).to(torch.get_default_dtype())


def run(way: str, networks: Networks, clips: Tensor, labels: Tensor, steps: Sequence[torch.optim.Optimizer] = ()) -> list[float]:
    """Both passes with a step each; the losses."""
    losses = []
    for i, loss in enumerate(WAYS[way](networks, clips, labels, seeded())):
        if steps:
            steps[i].zero_grad()
        loss.backward()
        if steps:
            steps[i].step()
        if steps and way == "ours":
            steps[i].zero_grad()  # as the loop does after the last batch of a pass
        losses.append(loss.item())
        del loss
    return losses


class Iteration:
    """A side: networks, a clip, two optimizers. Ours move in one fused step each."""

    def __init__(self, options: argparse.Namespace, way: str) -> None:
        self.way = way
        self.networks, self.clips, self.labels = setting(options, way)
        fused = {"fused": True} if way == "ours" else {}
        student, cvae, *_ = self.networks
        self.steps = [
            torch.optim.Adam(cvae.parameters(), lr=1e-4, betas=(0.8, 0.999), **fused),
            torch.optim.SGD(student.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4),
        ]

    def learn(self) -> Mapping[str, float]:
        """Both passes, with a step each."""
        return dict(zip(("make", "recognise"), run(self.way, self.networks, self.clips, self.labels, self.steps), strict=True))

    def computed(self) -> Mapping[str, Mapping[str, Tensor]]:
        """Nothing but the losses."""
        return {}


SIDES = {way: partial(Iteration, way=way) for way in WAYS}


def check(options: argparse.Namespace) -> str:
    """Raise AssertionError unless both ways have the same losses and gradients, in double precision, where no ReLU changes sides."""
    torch.set_default_dtype(torch.float64)
    small = argparse.Namespace(**{**vars(options), "frames": 16, "size": 64, "width": 1 / 8})
    networks, clips, labels = setting(small, "ours")
    for part in networks[0].modules():
        if isinstance(part, torch.nn.BatchNorm3d):
            torch.nn.init.normal_(part.bias)  # a channel that is constant is then not at 0, where a ReLU's gradient jumps
    answers = []
    for way in WAYS:
        own = copy.deepcopy(networks)
        losses = run(way, own, clips, labels)
        answers.append((losses, {f"{i}.{n}": p.grad for i in range(2) for n, p in own[i].named_parameters()}))
    torch.set_default_dtype(torch.float32)
    (first, one), (second, other) = answers
    torch.testing.assert_close(torch.tensor(first), torch.tensor(second), rtol=1e-9, atol=0)
    largest = max(float(gradient.abs().max()) for gradient in one.values())
    worst = max(float((gradient - other[name]).abs().max()) for name, gradient in one.items()) / largest
    assert worst < 1e-9, f"gradients differ by {worst:.1e} of the largest"
    return f"losses and gradients agree in double precision ({worst:.0e} of the largest gradient)"
