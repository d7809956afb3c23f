"""Several processes that share every batch: each takes a slice, and what they do together equals what one process does with the whole.

Gradients are averaged over the processes, statistics of a batch are those of the whole batch, and random masks are drawn for the
whole batch and sliced. Every function here does nothing when there is one process.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def size() -> int:
    """How many processes share a batch."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def share(batch: Tensor) -> Tensor:
    """This process's slice of a batch, whose first dimension the number of processes must divide."""
    if len(batch) % size():
        raise ValueError(f"a batch of {len(batch)} does not divide among {size()} processes")
    return batch.tensor_split(size())[rank()]


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes."""
    if size() == 1:
        return
    for parameter in parameters:
        if parameter.grad is not None:
            dist.all_reduce(parameter.grad)
            parameter.grad.div_(size())


def average_terms(terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scalars by name, each its mean over the processes."""
    if size() == 1:
        return dict(terms)
    values = torch.stack([value.detach().double() for value in terms.values()])
    dist.all_reduce(values)
    return dict(zip(terms, (values / size()).unbind()))


def moments(mean: Tensor, variance: Tensor, rows: int) -> tuple[Tensor, Tensor, int]:
    """Mean, biased variance and number of rows of the whole batch from those of this process's slice; gradients flow through."""
    if size() == 1:
        return mean, variance, rows
    from torch.distributed.nn.functional import all_reduce

    counts = torch.tensor([float(rows)], dtype=mean.dtype, device=mean.device)
    dist.all_reduce(counts)
    total = counts.item()
    whole = all_reduce(mean * (rows / total))
    spread = all_reduce((variance + (mean - whole).square()) * (rows / total))
    return whole, spread, int(total)


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout of (B, n) whose masks are the same however many processes share the batch, if all draw from the same seed."""
    if size() == 1 or not training or rate <= 0:
        return nn.functional.dropout(x, rate, training)
    whole = nn.functional.dropout(torch.ones(size() * len(x), *x.shape[1:], dtype=x.dtype, device=x.device), rate, True)
    return x * share(whole)


def run_together(processes: int, work: Callable[..., None], *arguments: Any, device: str = "cpu") -> None:
    """Run ``work(device, *arguments)`` in so many processes that know one another; on CUDA each has a device of its own.

    ``work`` and its arguments must be picklable. An error of one process ends all of them and is raised here.
    """
    if processes == 1:
        work(device, *arguments)
        return
    with tempfile.TemporaryDirectory() as meeting:
        torch.multiprocessing.spawn(
            _join, (processes, Path(meeting) / "meeting", device, torch.get_num_threads(), work, arguments), nprocs=processes
        )


def _join(
    number: int, processes: int, meeting: Path, device: str, threads: int, work: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    own = f"cuda:{number}" if device.startswith("cuda") else device
    backend = "nccl" if device.startswith("cuda") else "gloo"
    dist.init_process_group(backend, init_method=f"file://{meeting}", rank=number, world_size=processes)
    try:
        work(own, *arguments)
        dist.barrier()
    finally:
        dist.destroy_process_group()
