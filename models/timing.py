"""How long networks take on this machine, measured alike for every system: so that the figures of two systems can be compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from cache.stage import Context
from models.evaluation.times import Times, Timing

WARM_UPS = 2
Example = Callable[[int], tuple[Tensor, ...]]


def time_networks(ctx: Context, names: Iterable[str], load: Callable[[str], tuple[nn.Module, Example]], sample: str = "") -> None:
    """Write ``timing.json`` (:class:`models.evaluation.times.Timing`): of a sample alone and of one in a batch, for every network.

    ``load`` gives a network by name and what makes its inputs for so many samples; ``sample`` is what one is called. ``ctx.params`` has
    ``repeats``, ``batch_size`` and ``threads``. It is the one artifact of a system whose bytes differ from run to run.
    """
    params, measured = ctx.params, {}
    torch.set_num_threads(params.threads)
    names = list(names)
    with ctx.progress("timing", total=len(names)) as bar:
        for name in names:
            model, example = load(name)
            alone = median_seconds(model, example(1), params.repeats)
            batch = median_seconds(model, example(params.batch_size), params.repeats)
            measured[name] = Times(ms_alone=round(1e3 * alone, 4), ms_in_batch=round(1e3 * batch / params.batch_size, 4))
            bar.step()
    Timing(measured, params.batch_size, params.repeats, params.threads, ctx.device.split(":")[0], sample).write(ctx.out)


@torch.inference_mode()
def median_seconds(model: nn.Module, inputs: tuple[Tensor, ...], repeats: int) -> float:
    """Median time of ``repeats`` forward passes, after some that warm up; a GPU has finished when the clock is read."""
    seconds = []
    for attempt in range(WARM_UPS + repeats):
        _finish(inputs[0])
        started = time.perf_counter()
        model(*inputs)
        _finish(inputs[0])
        if attempt >= WARM_UPS:
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _finish(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
