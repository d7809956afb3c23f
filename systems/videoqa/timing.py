"""The ``timing`` stage: how long each network takes to answer, on this machine.

Writes ``timing.json``. It is the one artifact of this system whose bytes differ from run to run; it stands apart so that
nothing else does.
"""

from __future__ import annotations

import json
import statistics
import time
from typing import Any

import torch
from torch import Tensor

from cache.stage import Context
from systems.videoqa import cost
from systems.videoqa.checkpoint import read_network
from systems.videoqa.data import Features, Split
from systems.videoqa.model import DualVGR

NETWORKS = ("teacher", "student.alone", "student.kd", "student.question")


def run(ctx: Context) -> None:
    """Measure the median time of one question alone and of a question in a batch, each about a video of its own."""
    params = ctx.params
    torch.set_num_threads(params.threads)
    features = Features(ctx.inputs["appearance"], ctx.inputs["motion"], memory_gb=0)
    tokens = int(Split(ctx.inputs["questions"], "test", features).lengths.median())
    frames = int(features.readers[0].shape[1])
    measured: dict[str, dict[str, float]] = {}
    with ctx.progress("timing", total=len(NETWORKS)) as bar:
        for name in NETWORKS:
            model, about = read_network(ctx.inputs[name], ctx.device)
            alone = median_seconds(model, cost.example(model, about, frames, tokens), params.repeats)
            batch = median_seconds(model, cost.example(model, about, frames, tokens, params.batch_size), params.repeats)
            measured[name] = {"ms_alone": round(1e3 * alone, 4), "ms_in_batch": round(1e3 * batch / params.batch_size, 4)}
            bar.step()
    record: dict[str, Any] = {
        "models": measured,
        "batch_size": params.batch_size,
        "repeats": params.repeats,
        "threads": params.threads,
        "device": ctx.device.split(":")[0],
        "question_tokens": tokens,
    }
    (ctx.out / "timing.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


@torch.inference_mode()
def median_seconds(model: DualVGR, inputs: tuple[Tensor, ...], repeats: int) -> float:
    """Median time of a forward pass, after two that warm up."""
    seconds = []
    for attempt in range(repeats + 2):
        _synchronise(inputs[0])
        started = time.perf_counter()
        model(*inputs)
        _synchronise(inputs[0])
        if attempt >= 2:
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _synchronise(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize(tensor.device)
