"""Our training step beside a plain one, by turns, each in a process of its own: what ``benchmarks/steps.py`` measures in every system.

A module of steps (``videoqa_step`` …) has ``SIZES``, options with their published values; ``SIDES``, which builds the two sides from the
options; ``ALLOWED``, the largest relative differences of what they compute; and ``COUNTED``, whose operations are counted (ours, unless
parts of it are compiled code that PyTorch's counter does not see). ``KEEPS_MEMORY`` is False where our recipe says so. ``check``, where
there is one, compares more: in double precision, without dropout.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, Protocol
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, register_flop_formula

from models.heap import kept_heap
from models.training.products import product
from pipeline.cli.surroundings import wait_shortly

WAYS = ("ours", "plain")


class Side(Protocol):
    """A network, a batch, and everything that a step needs."""

    def learn(self) -> Mapping[str, float]:
        """Take a whole training step; its losses."""

    def computed(self) -> Mapping[str, Mapping[str, Tensor]]:
        """What else of the first step must agree, by name: its gradients, say."""


@register_flop_formula(torch.ops.aten.mkldnn_rnn_layer)
def recurrence(x: list[int], inward: list[int], recurrent: list[int], *_: Any, **__: Any) -> int:
    """FLOPs of a direction of oneDNN's LSTM, which PyTorch runs where no gradient is wanted and has no formula for: ``x`` is (T,N,V)."""
    return 2 * x[0] * x[1] * (math.prod(inward) + math.prod(recurrent))


class Flops(TorchDispatchMode):
    """Counts the FLOPs of operations by PyTorch's own formulas. Its FlopCounterMode also follows modules, and cannot where a loss takes
    gradients of its own within a step.
    """

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if (formula := flop_registry.get(func._overloadpacket)) is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the processor, of all threads, and of the wall."""
    spent, begun = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - spent, time.perf_counter() - begun


def product_rate(threads: int) -> float:
    """FLOPs of a product of two 2048 x 2048 matrices in a second of the processor: the best of eight, by PyTorch and by our own way."""
    torch.set_num_threads(threads)
    matrix = torch.randn(2048, 2048)
    return 2 * 2048**3 / min(timed(partial(way, matrix, matrix))[0] for way in (torch.mm, product) for _ in range(8))


def measure(name: str, way: str, options: argparse.Namespace, path: str, pipe: Any) -> None:
    """In a process of its own: a first step, whose operations are counted and whose numbers go to ``path``; a second; and timed ones."""
    rate = product_rate(options.threads)
    module = importlib.import_module(name)
    with kept_heap() if way == "ours" and getattr(module, "KEEPS_MEMORY", True) else nullcontext():  # as the loop does
        side: Side = module.SIDES[way](options)
        with Flops() as counter:
            losses = [dict(side.learn())]
        torch.save(side.computed(), path)
        losses.append(dict(side.learn()))
        cpu, wall = zip(*(timed(side.learn) for _ in range(options.repeats)))
    pipe.send(
        {
            "losses": losses,
            "flops": counter.total,
            "rate": rate,
            "cpu": statistics.median(cpu),
            "wall": statistics.median(wall),
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }
    )


def busy() -> None:
    """What somebody else does on this machine."""
    while True:
        sum(range(100_000))


def beside(name: str, options: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure both sides of the module ``name`` by turns, print what was found, and return the ratios.

    Raises SystemExit where the two compute something else.
    """
    module = importlib.import_module(name)
    if hasattr(module, "check"):
        print(f"{options.system}: {module.check(options)}")
    processes = multiprocessing.get_context("spawn")
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    load = [processes.Process(target=busy, daemon=True) for _ in range(options.load)]
    for each in load:
        each.start()
    try:
        with tempfile.TemporaryDirectory() as directory:
            paths = {way: f"{directory}/{way}" for way in WAYS}
            for _ in range(options.rounds):
                for way in WAYS:
                    here, there = processes.Pipe()
                    process = processes.Process(target=measure, args=(name, way, options, paths[way], there))
                    with mock.patch.dict(os.environ):
                        if way == "ours":  # as the command does
                            wait_shortly(os.environ)
                        process.start()
                    there.close()
                    try:
                        found[way].append(here.recv())
                    except EOFError:
                        raise SystemExit(f"{options.system}: the side {way!r} ended without a result") from None
                    process.join()
            gaps = differences(found, *(torch.load(paths[way]) for way in WAYS))
    finally:
        for each in load:
            each.terminate()
    compared = {what: gap for what, gap in gaps.items() if what in module.ALLOWED}
    if compared:
        print(f"{options.system}: largest relative differences: " + ", ".join(f"{what} {gap:.1e}" for what, gap in compared.items()))
    if any(not gaps[what] <= most for what, most in module.ALLOWED.items()):
        raise SystemExit(f"{options.system}: the two sides differ by more than {module.ALLOWED}: {found['ours'][0]['losses']}")
    return {options.system: ratios(options, found, module.COUNTED)}


def differences(found: Mapping[str, list[dict[str, Any]]], ours: Any, plain: Any) -> dict[str, float]:
    """The largest relative differences: of all losses of the first step, and of the second; of the tensors, each by its norm."""
    gaps = {}
    for i, what in enumerate(("loss", "second loss")):
        mine, theirs = (found[way][0]["losses"][i] for way in WAYS)
        gaps[what] = max(abs(mine[name] - value) / max(abs(value), 1e-12) for name, value in theirs.items())
    for what, theirs in plain.items():
        least = 1e-6 * max(float(each.norm()) for each in theirs.values())  # less is zero in exact arithmetic
        gaps[what] = max(float((ours[what][key] - each).norm() / each.norm()) for key, each in theirs.items() if float(each.norm()) > least)
    return gaps


def ratios(options: argparse.Namespace, found: Mapping[str, list[dict[str, Any]]], counted: str) -> dict[str, float]:
    """Print medians and pairs; ratios plain / ours of both times, ours / plain of memory, and the share of the product rate."""
    median = {way: {what: statistics.median(each[what] for each in found[way]) for what in ("cpu", "wall", "peak")} for way in WAYS}
    flops = found[counted][0]["flops"]
    rate = max(each["rate"] for way in WAYS for each in found[way])
    shares = {way: flops / of["cpu"] / rate for way, of in median.items()}
    print(f"  {flops / 1e9:.1f} GFLOP a step ({counted}); product rate {rate / 1e9:.0f} GFLOP/s of a processor")
    for way, of in median.items():
        print(
            f"  {way:<6} processor {of['cpu']:7.3f} s   wall {of['wall']:7.3f} s   peak {of['peak'] / 2**30:.2f} GiB"
            f"   {100 * shares[way]:.0f} % of the product rate"
        )
    for what in ("cpu", "wall"):
        pairs = [round(plain[what] / ours[what], 2) for ours, plain in zip(found["ours"], found["plain"])]
        print(f"  {what} ratios, pair by pair: {pairs}")
    result = {what: round(median["plain"][what] / median["ours"][what], 2) for what in ("cpu", "wall")}
    return result | {"roofline": round(shares["ours"], 2), "memory": round(median["ours"]["peak"] / median["plain"]["peak"], 2)}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options of all systems."""
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="processes of each side, by turns")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps of a process, whose median counts")
    parser.add_argument("--load", type=int, default=0, metavar="N", help="busy processes beside it")


def show(result: Mapping[str, Mapping[str, float]]) -> None:
    """The last line."""
    print(json.dumps(result))
