"""Boundary max pooling beside loops, forward and backward, at the sizes of the published head; a subcommand of ``benchmarks/gkd.py``.

``nested``:   one number at a time, over batch, channels and segments, as the published CUDA kernel works (and as a CPU port reads).
``segments``: over segments and halves, each with all its channels at once, by torch's own operations and autograd.
All give the same numbers: values and gradients are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from systems.gkd.detection.boundary_pooling import boundary_max_pooling
from systems.gkd.detection.proposals import level_lengths, priors_of, proposals

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LENGTHS = level_lengths(256, 6)
Answer = tuple[Tensor, Tensor]


def edges(segments: Tensor, steps: int) -> np.ndarray:
    """First and last steps of both halves (B, K, 4)."""
    whole = segments.numpy().astype(np.int64).clip(0, steps - 1)
    whole[..., 1], whole[..., 3] = np.maximum(whole[..., 0], whole[..., 1]), np.maximum(whole[..., 2], whole[..., 3])
    return whole


def nested(x: Tensor, segments: Tensor, grad: Tensor) -> Answer:
    """Each channel of each segment for itself."""
    values, found = x.detach().numpy(), np.zeros(x.shape, np.float32)
    pooled, outer, bounds = np.empty(grad.shape, np.float32), grad.numpy(), edges(segments, x.shape[2])
    half = x.shape[1] // 2
    for b in range(x.shape[0]):
        for c in range(x.shape[1]):
            for k in range(segments.shape[1]):
                low, high = bounds[b, k, 2 * (c >= half) : 2 * (c >= half) + 2]
                step = low + values[b, c, low : high + 1].argmax()
                pooled[b, c, k] = values[b, c, step]
                found[b, c, step] += outer[b, c, k]
    return torch.from_numpy(pooled), torch.from_numpy(found)


def by_segments(x: Tensor, segments: Tensor, grad: Tensor) -> Answer:
    """Each segment for itself, all channels together."""
    bounds, halves = edges(segments, x.shape[2]).tolist(), x.chunk(2, 1)
    rows = []
    for b, of_clip in enumerate(bounds):
        columns = [torch.cat([halves[i][b, :, edge[2 * i] : edge[2 * i + 1] + 1].max(-1).values for i in range(2)]) for edge in of_clip]
        rows.append(torch.stack(columns, -1))
    pooled = torch.stack(rows)
    return pooled, torch.autograd.grad(pooled, x, grad)[0]


def ours(x: Tensor, segments: Tensor, grad: Tensor) -> Answer:
    pooled = boundary_max_pooling(x, segments)
    return pooled, torch.autograd.grad(pooled, x, grad)[0]


def seconds(work: Callable[[], object], clock: str) -> float:
    started = CLOCKS[clock]()
    work()
    return CLOCKS[clock]() - started


WAYS = (nested, by_segments, ours)


def compared(x: Tensor, segments: Tensor, grad: Tensor) -> None:
    """Raise AssertionError unless all ways give the same numbers."""
    wanted = nested(x, segments, grad)
    for way in WAYS[1:]:
        for got, right in zip(way(x, segments, grad), wanted, strict=True):
            torch.testing.assert_close(got.detach(), right)


def timed(x: Tensor, segments: Tensor, grad: Tensor, clock: str) -> list[float]:
    """Seconds of each way, in turn."""
    return [seconds(lambda way=way: way(x, segments, grad), clock) for way in WAYS]


def pooling(options: argparse.Namespace) -> None:
    """Print the times of all three for the frame-level feature and for the finest level."""
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(0)
    loc = torch.exp(torch.randn(1, sum(LENGTHS), 2, generator=generator) + 2.5)  # distances of a few to a hundred frames
    in_steps, in_frames = proposals(loc, priors_of(LENGTHS), LENGTHS, 256)
    sizes = {"frame level": (512, 256, in_frames), "finest level": (1024, LENGTHS[0], in_steps[:, : LENGTHS[0]])}
    print(f"{'forward and backward':22}{'segments':>9}{'nested':>12}{'segments':>12}{'ours':>12}{'ratio':>8}{'ratio':>8}")
    for name, (channels, steps, segments) in sizes.items():
        x = torch.randn(1, channels, steps, generator=generator).relu().requires_grad_()
        grad = torch.randn(1, channels, segments.shape[1], generator=generator)
        compared(x, segments, grad)
        times = [timed(x, segments, grad, options.clock) for _ in range(options.rounds)]
        slow, loop, quick = (statistics.median(column) for column in zip(*times, strict=True))
        shown = "".join(f"{value * 1e3:9.2f} ms" for value in (slow, loop, quick))
        print(f"{name:22}{segments.shape[1]:9}{shown}{slow / quick:8.0f}{loop / quick:8.1f}")
