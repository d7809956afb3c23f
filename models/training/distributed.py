"""Several processes that share every batch: each takes a slice, and what they do together equals what one process does with the whole.

Gradients are averaged over the processes, statistics of a batch are those of the whole batch, and random masks are drawn for the
whole batch and sliced. Every function here does nothing when there is one process.
"""

from __future__ import annotations

import contextlib
import socket
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist

from cache.errors import ConfigError

#: Processes that a launcher started know one another all the time, but share work only now and then (:mod:`models.training.processes`).
_sharing = False
#: bytes of gradients that travel together
BUCKET = 25 * 2**20


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


@contextlib.contextmanager
def sharing() -> Iterator[None]:
    """Inside, this process shares every batch with the others."""
    global _sharing
    _sharing = True
    try:
        yield
    finally:
        _sharing = False


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes; one that a process does not have counts as zeros there.

    A parameter that no process has a gradient of keeps none.
    """
    if size() == 1:
        return
    parameters = [parameter for parameter in parameters if parameter.requires_grad]
    there = torch.tensor([parameter.grad is not None for parameter in parameters], dtype=torch.uint8, device=parameters[0].device)
    dist.all_reduce(there, op=dist.ReduceOp.MAX)
    gradients = []
    for parameter, somewhere in zip(parameters, there.tolist(), strict=True):
        if somewhere:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        whole = torch.cat([gradient.reshape(-1) for gradient in bucket])
        dist.all_reduce(whole)
        whole.div_(size())
        for gradient, part in zip(bucket, whole.split([gradient.numel() for gradient in bucket]), strict=True):
            gradient.copy_(part.view_as(gradient))


def _buckets(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one type and device, about :data:`BUCKET` bytes together."""
    bucket: list[Tensor] = []
    held = 0
    for tensor in tensors:
        if bucket and (held + tensor.nbytes > BUCKET or (tensor.dtype, tensor.device) != (bucket[0].dtype, bucket[0].device)):
            yield bucket
            bucket, held = [], 0
        bucket.append(tensor)
        held += tensor.nbytes
    if bucket:
        yield bucket


def agree(value: Any) -> Any:
    """The first process's ``value``, in every process: what may depend on last bits is decided once."""
    if size() == 1:
        return value
    told = [value]
    dist.broadcast_object_list(told, src=0)
    return told[0]


def gather(value: Any) -> list[Any]:
    """The value of every process, in every process."""
    if size() == 1:
        return [value]
    told: list[Any] = [None] * size()
    dist.all_gather_object(told, value)
    return told


def check_shared(directory: Path) -> None:
    """Raise ConfigError, in every process, if ``directory`` is not the same place for all of them."""
    if size() == 1:
        return
    mark = directory / agree(f".met-{uuid.uuid4().hex}.tmp")
    if rank() == 0:
        mark.touch()
    dist.barrier()
    blind = sorted({host for host, sees in gather((socket.gethostname(), mark.exists())) if not sees})
    mark.unlink(missing_ok=True)
    if blind:
        raise ConfigError(
            f"{directory} of the first process is not to be seen on {', '.join(blind)}: the processes share no store",
            hint="set KDPIPE_STORE to a directory that all of them see under the same path",
        )


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
