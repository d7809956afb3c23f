"""The head of the few-shot system at its published size, ours beside a plain re-creation, by turns in one process.

    python benchmarks/litemkd.py [--rounds 9] [--threads 2] [--device cpu] [--way 5] [--shot 5] [--clock wall]
    python benchmarks/litemkd.py evaluate ...     # an evaluation by episodes: litemkd_evaluate.py
    python benchmarks/litemkd.py step ...         # a training step: litemkd_step.py

On a machine that others use, ``--clock cpu --threads 1`` counts the processor's time instead.

The plain head is what one writes from the formula: every tuple is concatenated and projected as a whole, and the classes take turns. Both
have the same weights and see the same clips; logits and gradients are compared first. All rows but the last are one query of
every class, without gradients:

    projection     keys and values of all clips of an episode
    one branch     a student without distillation, or a teacher
    two branches   the distilled student, with the support distances
    kept           one branch, with the projections of all clips computed before: episodes can share them
    training       two branches, five queries of every class, forward and backward, without dropout
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from itertools import combinations

import torch
from torch import Tensor, nn

from systems.litemkd.heads import Head
from systems.litemkd.support import support_distances
from systems.litemkd.trx import CrossTransformer

FRAMES, DIM, OUT = 8, 2048, 1152


class Plain(nn.Module):
    """The formula, tuple by tuple."""

    def __init__(self, ours: CrossTransformer) -> None:
        super().__init__()
        self.ours = ours
        self.tuples = [torch.tensor(chosen) for chosen in combinations(range(FRAMES), 2)]

    def project(self, clips: Tensor) -> tuple[Tensor, Tensor]:
        placed = clips + self.ours.pe.pe[:, : clips.shape[1]]
        stacked = torch.stack([placed.index_select(1, chosen.to(clips.device)).flatten(1) for chosen in self.tuples], 1)
        return self.ours.norm_k(self.ours.k_linear(stacked)), self.ours.v_linear(stacked)

    def forward(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        (keys, values), (asked, wanted) = self.project(support), self.project(query)
        columns = []
        for label in labels.unique():
            mine = labels == label
            known, offered = keys[mine].flatten(0, 1), values[mine].flatten(0, 1)
            attention = torch.softmax(asked @ known.t() / OUT**0.5, -1)
            distance = (wanted - attention @ offered).flatten(1).norm(dim=1) ** 2 / len(self.tuples)
            columns.append(-distance)
        return torch.stack(columns, 1)


def clips(count: int, device: str) -> Tensor:
    return torch.randn(count, FRAMES, DIM, device=device)


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def seconds(work: Callable[[], object], options: argparse.Namespace) -> float:
    started = CLOCKS[options.clock]()
    work()
    if options.device != "cpu":
        torch.cuda.synchronize()
    return CLOCKS[options.clock]() - started


def by_turns(first: Callable[[], object], second: Callable[[], object], options: argparse.Namespace) -> tuple[float, float]:
    """Median seconds of both, alternated, after one round that warms up."""
    pairs = [(seconds(first, options), seconds(second, options)) for _ in range(options.rounds + 1)][1:]
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs)


def main() -> None:
    if sys.argv[1:2] in (["evaluate"], ["step"]):
        return importlib.import_module(f"litemkd_{sys.argv.pop(1)}").main()  # type: ignore[no-any-return]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("--rounds", 9), ("--threads", 2), ("--way", 5), ("--shot", 5)):
        parser.add_argument(name, type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--clock", default="wall", choices=CLOCKS)
    options = parser.parse_args()
    device = options.device
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    head = Head("d2m", DIM, OUT, dropout=0.0).to(device)
    ours = head.transformers
    plain = Plain(ours)
    order = torch.randperm(options.way * options.shot)
    labels = torch.arange(options.way).repeat_interleave(options.shot)[order].to(device)
    support, few, many = ([clips(count, device) for _ in range(2)] for count in (len(labels), options.way, 5 * options.way))
    weights = list(ours.parameters())

    def two(net: nn.Module, query: list[Tensor]) -> list[Tensor]:
        """Both branches and the support distances."""
        if net is ours:
            found = head(named(support), labels, named(query))
            return [found["kl"], found["ce"], found["sup"]]
        return [net(s, labels, q) for s, q in zip(support, query)] + [support_distances(support[1], labels)]

    def step(net: nn.Module) -> list[Tensor]:
        return list(torch.autograd.grad(sum(out.sum() for out in two(net, many)), weights, allow_unused=True))

    known = [(a, b) for a, b in zip(step(ours), step(plain)) if b is not None and b.abs().max() > 1e-3]
    with torch.inference_mode():
        print(f"largest relative difference: logits {gap(zip(two(ours, few), two(plain, few))):.1e}, gradients {gap(known):.1e}")
        every, first = torch.cat([support[0], few[0]]), (support[0], labels, few[0])
        kept = ours.project(support[0]), labels, ours.project(few[0])
        works: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "projection": (lambda: plain.project(every), lambda: ours.project(every)),
            "one branch": (lambda: plain(*first), lambda: ours(*first)),
            "two branches": (lambda: two(plain, few), lambda: two(ours, few)),
            "kept": (lambda: plain(*first), lambda: ours.match(*kept)),
        }
        for name, work in works.items():
            show(name, *by_turns(*work, options))
    show("training", *by_turns(lambda: step(plain), lambda: step(ours), options))


def named(branches: list[Tensor]) -> dict[str, Tensor]:
    return {"first": branches[0], "second": branches[1]}


def gap(pairs: Iterable[tuple[Tensor, Tensor]]) -> float:
    """The largest difference, relative to the largest entry of what it differs from."""
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


def show(name: str, theirs: float, mine: float) -> None:
    print(f"{name:<13} plain {1e3 * theirs:8.1f} ms   ours {1e3 * mine:8.1f} ms   ratio {theirs / mine:5.2f}")


if __name__ == "__main__":
    main()
