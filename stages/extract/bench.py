"""Measure what this machine can do: each runtime and precision for a network, beside the network as it was published.

What is faster depends on the machine: channels last in memory, bfloat16 where the processor has no instructions for it, a compiler's
code. So it is measured, not assumed, with the very batches and threads of the stage, by turns, and behind the stage's gate.
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
from models.backbones.registry import Backbone, build
from stages.extract.device_input import input_on
from stages.extract.heap import kept_heap
from stages.extract.in_order import in_order
from stages.extract.lanes import at_once
from stages.extract.network import one_thread, set_determinism
from stages.extract.preprocess import resize
from stages.extract.runtimes import RUNTIMES, prepare
from stages.extract.runtimes.gate import admit

#: a picture of the size of MSR-VTT's videos, for the resizers
PICTURE = (240, 320, 3)
#: rows that the published procedure takes at once: the 16 frames of a clip, a clip
PUBLISHED = {"appearance": 16, "motion": 1}


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
    batch = _batch(entry, device, size, PUBLISHED[entry.kind])
    ways["plain", "float32"] = (lambda x: net.feature(x.contiguous()), batch)  # type: ignore[operator]
    found["plain", "float32"] = Measured("plain", "float32")
    for runtime, precision in _candidates(device):
        batch = _batch(entry, device, size, at_once(entry.kind, device))
        try:
            feature = prepare(runtime, net, batch, precision, lanes)
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
    shape = (rows, size, size, 3) if entry.kind == "appearance" else (rows, entry.frames, size, size, 3)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return input_on(device, entry.kind, "paper" if entry.kind == "appearance" else "raw255")(images)


def _candidates(device: str) -> Iterator[tuple[str, str]]:
    """Half precision only where it can pay: float16 on a GPU, bfloat16 where the processor has instructions for it, and on a GPU.

    ``direct`` only where it is not ``eager``: in float32 on a CPU.
    """
    cpu = device == "cpu"
    for runtime in RUNTIMES:
        if runtime in ("direct", "openvino") and not cpu:
            continue
        yield runtime, "float32"
        if runtime == "direct":
            continue
        if not cpu:
            yield runtime, "float16"
        if not cpu or torch.ops.mkldnn._is_mkldnn_bf16_supported():
            yield runtime, "bfloat16"


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


def resizers(size: int, repeat: int = 40) -> dict[str, float]:
    """Pictures a second and thread of each way to resize, from 320 x 240 to ``size``."""
    picture = np.random.default_rng(0).integers(0, 256, PICTURE, dtype=np.uint8)
    taken: dict[str, list[float]] = {"pil": [], "torch": []}
    for _ in range(repeat):
        for method, seconds in taken.items():
            began = time.perf_counter()
            resize(picture, size, method)
            seconds.append(time.perf_counter() - began)
    return {method: 1 / median(seconds) for method, seconds in taken.items()}
