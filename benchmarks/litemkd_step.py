"""A training step of the distilled few-shot student, ours beside a plain re-creation of the published one, by turns.

    python benchmarks/litemkd_step.py [--size 224] [--shot 5] [--queries 5] [--rounds 3] [--threads 2] [--way 5]

An episode: its clips pass a ResNet-18 in training mode, support and query one after the other; two branches, the comparison of both, the
support distances; the teacher's on its features, without gradients; the loss ``fc_2_sup_dist``; backward. Nothing drops out, so both
compute the same: the first losses and gradients are compared, and a difference ends the run. The plain side is torchvision's network and
the formula tuple by tuple, as published.

Each side runs in a process of its own, whose second step is timed: medians over the rounds of the processor's time (of all threads) and of
wall time; on a machine that others use, the first is the one to look at, with ``--threads 1``. The peak is that of the whole process. The
product rate is that of matrices of 2048 x 2048.

The last line is JSON: ratios plain / ours of both times, the share of the product rate that the plain step's operations would need in our
processor time (convolutions by Winograd's algorithm need fewer: it can be above 1), and our memory over the plain one's.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from litemkd import Plain
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from systems.litemkd import step
from systems.litemkd.heads import Head
from systems.litemkd.losses import TEMPERATURE
from systems.litemkd.model import Student
from systems.litemkd.objectives import OBJECTIVES
from systems.litemkd.support import support_distances
from systems.litemkd.trunk import make_lean

FRAMES, DIM = 8, 2048
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

    def loss(self) -> Tensor:
        """Of the episode."""
        raise NotImplementedError

    def learn(self) -> float:
        """A step, without the optimiser's."""
        self.student.zero_grad()
        loss = self.loss()
        loss.backward()
        return float(loss.detach())


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


def measure(name: str, options: argparse.Namespace, path: str, pipe: Any) -> None:
    """A side in a process of its own: a first step, whose gradients go to ``path``, and one that is timed."""
    torch.set_num_threads(options.threads)
    matrix = torch.randn(2048, 2048)
    rate = 2 * 2048**3 / min(timed(lambda: matrix @ matrix)[0] for _ in range(5))
    side = SIDES[name](options)
    with FlopCounterMode(display=False) as counter:  # of the plain side, which calls nothing that it does not know
        loss = side.learn()
    gradients = {name: each.grad for name, each in side.student.named_parameters() if each.grad is not None}
    torch.save([gradients, {name: each for name, each in side.student.named_buffers() if "running" in name}], path)
    del gradients
    cpu, wall = timed(side.learn)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pipe.send({"loss": loss, "rate": rate, "flops": counter.get_total_flops(), "cpu": cpu, "wall": wall, "peak": peak})


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor, and of the wall."""
    spent, begun = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - spent, time.perf_counter() - begun


def compared(paths: dict[str, str]) -> dict[str, float]:
    """The largest differences of ours from the plain side's, each relative to its norm."""
    ours, plain = (torch.load(paths[name]) for name in SIDES)
    found = {}
    for what, mine, theirs in zip(("gradients", "running statistics"), ours, plain):
        least = 1e-6 * max(float(each.norm()) for each in theirs.values())  # less is zero in exact arithmetic
        found[what] = max(float((mine[key] - each).norm() / each.norm()) for key, each in theirs.items() if float(each.norm()) > least)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    numbers = {"size": 224, "way": 5, "shot": 5, "queries": 5, "rounds": 3, "threads": 2}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    processes = multiprocessing.get_context("spawn")
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in SIDES}
    with tempfile.TemporaryDirectory() as directory:
        paths = {name: f"{directory}/{name}" for name in SIDES}
        for _ in range(options.rounds):
            for name in SIDES:
                here, there = processes.Pipe()
                process = processes.Process(target=measure, args=(name, options, paths[name], there))
                process.start()
                there.close()
                found[name].append(here.recv())
                process.join()
        losses = {name: each[0]["loss"] for name, each in found.items()}
        gaps = {"loss": abs(losses["ours"] / losses["plain"] - 1), **compared(paths)}
    print(f"first loss: ours {losses['ours']:.7f}, plain {losses['plain']:.7f}; largest relative differences:")
    print(", ".join(f"{name} {value:.1e}" for name, value in gaps.items()))
    if any(not gaps[name] <= most for name, most in ALLOWED.items()):
        raise SystemExit(f"these are too far from one another: {ALLOWED} are allowed")
    report(options, found)


def report(options: argparse.Namespace, found: dict[str, list[dict[str, Any]]]) -> None:
    """Print medians, pairs and the last line."""
    frames = FRAMES * options.way * (options.shot + options.queries)
    flops, rate = found["plain"][0]["flops"], max(each["rate"] for each in found["ours"] + found["plain"])
    print(f"{frames} frames of {options.size} px, threads {options.threads}, median of {options.rounds}; {flops / 1e12:.2f} TFLOP a step")
    print(f"product rate {rate / 1e9:.0f} GFLOP a second of a processor")
    median = {name: {what: statistics.median(each[what] for each in sides) for what in sides[0]} for name, sides in found.items()}
    for name, of in median.items():
        speed = f"{flops / of['cpu'] / 1e9:.0f} GFLOP of the plain step's a second of a processor"
        print(f"{name:<6} processor {of['cpu']:6.2f} s   wall {of['wall']:6.2f} s   peak {of['peak'] / 2**30:.2f} GiB   {speed}")
    for what in ("cpu", "wall"):
        ratios = [round(plain[what] / ours[what], 2) for ours, plain in zip(found["ours"], found["plain"])]
        print(f"{what} ratios, pair by pair: {ratios}")
    result = {what: round(median["plain"][what] / median["ours"][what], 2) for what in ("cpu", "wall")}
    share, memory = flops / median["ours"]["cpu"] / rate, median["ours"]["peak"] / median["plain"]["peak"]
    print(json.dumps({"litemkd": result | {"roofline": round(share, 2), "memory": round(memory, 2)}}))


if __name__ == "__main__":
    main()
