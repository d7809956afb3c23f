"""The ``timing`` stage: how long each network takes for a video, on this machine.

Writes ``timing.json``. It is the one artifact of this system whose bytes differ from run to run; it stands apart so that
nothing else does. What is timed is the network: reading and normalising k frames is cheaper than 300 too, and not in it.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import torch
from torch import Tensor, nn

from cache.stage import Context
from systems.fewerframes.checkpoint import read_network
from systems.fewerframes.cost import example


def run(ctx: Context) -> None:
    """Measure the median time of one video alone and of a video in a batch."""
    params = ctx.params
    torch.set_num_threads(params.threads)
    names = [name for name in ctx.inputs if name.split(".")[0] in ("teacher", "student")]
    measured: dict[str, dict[str, float]] = {}
    with ctx.progress("timing", total=len(names)) as bar:
        for name in names:
            network = read_network(ctx.inputs[name], ctx.device)
            alone = median_seconds(network.model, example(network), params.repeats)
            batch = median_seconds(network.model, example(network, params.batch_size), params.repeats)
            measured[name] = {"ms_alone": round(1e3 * alone, 4), "ms_in_batch": round(1e3 * batch / params.batch_size, 4)}
            bar.step()
    record: dict[str, Any] = {
        "models": measured,
        "batch_size": params.batch_size,
        "repeats": params.repeats,
        "threads": params.threads,
        "device": ctx.device,
    }
    (ctx.out / "timing.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@torch.no_grad()
def median_seconds(model: nn.Module, inputs: tuple[Tensor, ...], repeats: int) -> float:
    """Median over ``repeats`` runs after one that warms up."""
    found = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        model(*inputs)
        if inputs[0].is_cuda:
            torch.cuda.synchronize()
        found.append(time.perf_counter() - begin)
    return statistics.median(found[1:])
