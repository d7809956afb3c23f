"""Measure what this machine can do: each runtime and precision for a network, beside the network as it was published.

What is faster depends on the machine: channels last in memory, a compiler's code, 8 bits where the processor has instructions for them.
So it is measured, not assumed, with the very batches and threads of an extraction, by turns, and behind its gate.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from cache.errors import KdpipeError
from models.backbones.inputs import input_on
from models.backbones.kinds import KINDS
from models.backbones.registry import Backbone, build
from models.heap import kept_heap
from models.inference.in_order import in_order
from models.inference.infer import Plan, one_thread, set_determinism
from models.inference.ranges import ranges_of
from models.inference.runtimes import INT8, RUNTIMES, RUNTIMES_IN_INT8, prepare
from models.inference.runtimes.gate import admit

#: rows that the published procedure takes at once: the frames of a clip, one clip
FRAMES_AT_ONCE, CLIPS_AT_ONCE = 16, 1


@dataclass(frozen=True)
class Measured:
    """One way to compute: rows (frames or clips) a second, the error against the plain network, or why it cannot be used."""

    runtime: str
    precision: str
    rate: float = 0.0
    error: float = 0.0
    refused: str = ""


def measure(entry: Backbone, device: str, lanes: int, size: int = 0, rounds: int = 3) -> list[Measured]:
    """Rates of the plain network (runtime ``plain``) and of all runtimes and precisions; the network has random weights.

    ``lanes`` threads compute at once; ``size`` is the side of the square input (0: the network's own). Takes about half a minute for
    a ResNet-101 on two cores. The rate is the median of ``rounds`` rounds, each of which tries all in turn.
    """
    set_determinism()
    threads = torch.get_num_threads()
    one_thread()
    try:
        with kept_heap():
            return _measure(entry, device, lanes, size or entry.image_size, rounds)
    finally:
        torch.set_num_threads(threads)


def _measure(entry: Backbone, device: str, lanes: int, size: int, rounds: int) -> list[Measured]:
    torch.manual_seed(0)
    options: dict[str, Any] = {"sample_size": size, "sample_duration": entry.frames} if entry.window else {}
    net: nn.Module = build(entry.name, **options).requires_grad_(False).eval().to(torch.device(device))
    ways: dict[tuple[str, str], tuple[Callable[[torch.Tensor], torch.Tensor], torch.Tensor]] = {}
    found: dict[tuple[str, str], Measured] = {}
    clips = KINDS[entry.kind].clips
    batch = _batch(entry, device, size, CLIPS_AT_ONCE if clips else FRAMES_AT_ONCE)
    ways["plain", "float32"] = (lambda x: net.feature(x.contiguous()), batch)  # type: ignore[operator]
    found["plain", "float32"] = Measured("plain", "float32")
    batch = _batch(entry, device, size, Plan.of(device, lanes, clips=clips).rows)
    for runtime, precision in _candidates(device):
        try:
            ranges = ranges_of(net, [batch]) if precision == INT8 else None
            feature = prepare(runtime, net, batch, precision, lanes, ranges)
            error = admit(feature, net, batch, precision, f"{entry.name} by runtime={runtime} precision={precision}")
        except KdpipeError as problem:
            found[runtime, precision] = Measured(runtime, precision, refused=problem.message)
            continue
        ways[runtime, precision] = feature, batch
        found[runtime, precision] = Measured(runtime, precision, error=error)
    rates: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (feature, batch) in ways.items():
            rates[way].append(len(batch) * lanes / _once(feature, batch, lanes))
    for way, measured in rates.items():
        found[way] = Measured(*way, rate=median(measured), error=found[way].error)
    return list(found.values())


@torch.inference_mode()
def _batch(entry: Backbone, device: str, size: int, rows: int) -> torch.Tensor:
    kind = KINDS[entry.kind]
    shape = (rows, *((entry.frames,) if kind.clips else ()), size, size, kind.channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return input_on(device, kind.inputs[0], kind.channels)(images)


def _candidates(device: str) -> Iterator[tuple[str, str]]:
    """Half precision on a GPU; on a CPU what processors have instructions for, whether this one does or not: it is then refused.

    Winograd's convolutions are in float32 and, as OpenVINO is, for a CPU.
    """
    cpu = device == "cpu"
    for runtime in RUNTIMES:
        if runtime in ("winograd", "openvino") and not cpu:
            continue
        yield runtime, "float32"
        if runtime == "winograd":
            continue
        if not cpu:
            yield runtime, "float16"
        yield runtime, "bfloat16"
        if cpu and runtime in RUNTIMES_IN_INT8:
            yield runtime, INT8


@torch.inference_mode()
def _once(feature: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor, lanes: int) -> float:
    """Seconds for one batch a lane, all lanes at once."""

    def work(_: int) -> None:
        with torch.inference_mode():
            feature(batch).cpu()

    began = time.perf_counter()
    for _ in in_order(work, range(lanes), lanes, one_thread):
        pass
    return time.perf_counter() - began
