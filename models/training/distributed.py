"""Several processes that share every batch: each takes a slice, and what they do together equals what one process does with the whole.

Gradients are averaged over the processes, statistics of a batch are those of the whole batch, and random masks are drawn for the
whole batch and sliced. Every function here does nothing when there is one process.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from cache import loaded
from cache.errors import ConfigError

#: Processes that a launcher started know one another all the time, but share work only now and then.
_sharing = False
#: This process left a piece of shared work by an error, so the others may be waiting for it in there.
_failed = False


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if _sharing else 0


def size() -> int:
    """How many processes share a batch."""
    return dist.get_world_size() if _sharing else 1


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


class _Sum(torch.autograd.Function):
    """The sum over the processes. Every process has a loss of its own that depends on it, so gradients are summed as well."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


def moments(mean: Tensor, variance: Tensor, rows: int) -> tuple[Tensor, Tensor, int]:
    """Mean, biased variance and number of rows of the whole batch from those of this process's slice; gradients flow through."""
    if size() == 1:
        return mean, variance, rows
    counts = torch.tensor([float(rows)], dtype=mean.dtype, device=mean.device)
    dist.all_reduce(counts)
    total = counts.item()
    whole = _Sum.apply(mean * (rows / total))
    spread = _Sum.apply((variance + (mean - whole).square()) * (rows / total))
    return whole, spread, int(total)


def dropout(x: Tensor, rate: float, training: bool) -> Tensor:
    """Dropout of (B, n) whose masks are the same however many processes share the batch, if all draw from the same seed."""
    if size() == 1 or not training or rate <= 0:
        return nn.functional.dropout(x, rate, training)
    whole = nn.functional.dropout(torch.ones(size() * len(x), *x.shape[1:], dtype=x.dtype, device=x.device), rate, True)
    return x * share(whole)


def run_together(processes: int, work: Callable[..., None], *arguments: Any, device: str = "cpu") -> None:
    """Run ``work(device, *arguments)`` in so many processes that know one another; on CUDA each has a device of its own.

    They are started here, or are those that a launcher started (:func:`serving`). ``work`` and its arguments must be picklable. An
    error of one process ends all of them and is raised here. Raises ConfigError if a launcher started another number.
    """
    if dist.is_available() and dist.is_initialized():
        if processes != dist.get_world_size():
            raise ConfigError(
                f"{dist.get_world_size()} processes were started, and the stage's parameter processes is {processes}",
                hint=f"--set <stage>.processes={dist.get_world_size()}; it is part of the key, since sums are split by it",
            )
        job = (work, arguments, device, torch.get_num_threads())
        dist.broadcast_object_list([job], src=0)
        _share_watched(*job)
    elif processes == 1:
        work(device, *arguments)
    else:
        with tempfile.TemporaryDirectory() as meeting:
            job = (processes, Path(meeting) / "meeting", work, arguments, device, torch.get_num_threads())
            torch.multiprocessing.spawn(_join, job, nprocs=processes)
            for told in sorted(Path(meeting).glob("*.json")):
                loaded.hear(json.loads(told.read_text()))


@contextlib.contextmanager
def serving() -> Iterator[bool]:
    """Among the processes of a launcher (``torchrun``): the first gets True and goes on, the others do what it asks, and get False.

    If the first fails in shared work, the launcher ends the others.
    """
    # gloo between hosts for the orders; a rank waits for its next order as long as the first has other work
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    _meet(backend, timeout=timedelta(days=30))
    first = dist.get_rank() == 0
    order: list[Any] = [None]
    while not first:
        dist.broadcast_object_list(order, src=0)
        if order[0] is None:
            break
        _share_watched(*order[0])
    try:
        yield first
    finally:
        if not _failed:
            if first:
                dist.broadcast_object_list([None], src=0)
            dist.barrier()  # nobody leaves while another is still at it
            dist.destroy_process_group()


def _meet(backend: str, **how: Any) -> None:
    """Begin to know the other processes."""
    # Its functions have the group that exists while it is imported as a default argument. Imported later (by an optimizer), it would
    # keep the group, and with it gloo's threads, beyond its end; one of these can abort a process that is leaving.
    import torch.distributed.nn  # noqa: F401

    dist.init_process_group(backend, **how)


def _join(
    number: int, processes: int, meeting: Path, work: Callable[..., None], arguments: tuple[Any, ...], device: str, threads: int
) -> None:
    backend = "nccl" if device.startswith("cuda") else "gloo"
    _meet(backend, init_method=f"file://{meeting}", rank=number, world_size=processes)
    try:
        _share(work, arguments, device, threads)
        meeting.with_name(f"{number}.json").write_text(json.dumps(loaded.news()))
    finally:
        dist.destroy_process_group()


def _share_watched(*job: Any) -> None:
    """Share work among the processes of a launcher, whose code the first examines before and after (:mod:`cache.loaded`)."""
    _tell()
    _share(*job)
    _tell()


def _tell() -> None:
    global _failed
    told: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(told, loaded.news())
    _failed = True
    for report in told[1:]:
        loaded.hear(report)
    _failed = False


def _share(work: Callable[..., None], arguments: tuple[Any, ...], device: str, threads: int) -> None:
    """This process's part of the work, on its own device."""
    global _sharing, _failed
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cuda = device.startswith("cuda")
    own = f"cuda:{os.environ.get('LOCAL_RANK', dist.get_rank())}" if cuda else device
    if cuda:
        torch.cuda.set_device(own)
    _sharing = _failed = True
    try:
        work(own, *arguments)
        dist.barrier()  # nobody leaves while another is still at it
        _failed = False
    finally:
        _sharing = False
