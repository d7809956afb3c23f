"""Processes that share batches: started here, or by a launcher (``torchrun``) and served work by the first of them."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from cache import loaded
from cache.errors import ConfigError
from models.training import distributed

#: how long one process waits for the others in the middle of shared work
TIMEOUT = timedelta(minutes=10)
LOOK_SECONDS = 0.1


class Orders:
    """What the first of a launcher's processes wants done, passed through the store that they met at.

    The others may wait for an order for days, while the first has other work: that is no collective, and has no time-out. The store
    is the launcher's or the first process's, so whoever waits learns by an error that nobody is there any more.
    """

    def __init__(self, store: Any) -> None:
        self._store, self._number = store, 0
        self.failed = False  # this process left shared work by an error: the others may be waiting for it in there

    def give(self, order: Any) -> None:
        """Tell all others."""
        self._store.set(self._name(), pickle.dumps(order))

    def take(self) -> Any:
        """Wait for the next order."""
        name = self._name()
        while not self._store.check([name]):
            time.sleep(LOOK_SECONDS)
        return pickle.loads(self._store.get(name))

    def _name(self) -> str:
        self._number += 1
        return f"kdpipe/{self._number}"


_orders: Orders | None = None


def run_together(processes: int, work: Callable[..., None], *arguments: Any, device: str = "cpu") -> None:
    """Run ``work(device, *arguments)`` in so many processes that know one another; on CUDA each has a device of its own.

    They are started here, or are those that a launcher started (:func:`serving`). ``work`` and its arguments must be picklable. An
    error of one process ends all of them and is raised here. Raises ConfigError if a launcher started another number.
    """
    if _orders is not None:
        if processes != dist.get_world_size():
            raise ConfigError(
                f"{dist.get_world_size()} processes were started, and the stage's parameter processes is {processes}",
                hint=f"--set <stage>.processes={dist.get_world_size()}; it is part of the key, since sums are split by it",
            )
        job = (work, arguments, device, torch.get_num_threads())
        _orders.give(job)
        _serve(_orders, job)
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
    global _orders
    store, rank, size = next(iter(dist.rendezvous("env://", timeout=TIMEOUT)))
    # gloo for what is told between hosts, NCCL for gradients
    _meet("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", store=store, rank=rank, world_size=size)
    _orders = Orders(store)
    while rank > 0 and (order := _orders.take()) is not None:
        _serve(_orders, order)
    try:
        yield rank == 0
    finally:
        if not _orders.failed:
            if rank == 0:
                _orders.give(None)
            dist.barrier()  # nobody leaves while another is still at it
            dist.destroy_process_group()
        _orders = None


def _meet(backend: str, **how: Any) -> None:
    """Begin to know the other processes."""
    # Its functions have the group that exists while it is imported as a default argument. Imported later (by an optimizer), it would
    # keep the group, and with it gloo's threads, beyond its end; one of these can abort a process that is leaving.
    import torch.distributed.nn  # noqa: F401

    dist.init_process_group(backend, timeout=TIMEOUT, **how)


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


def _serve(orders: Orders, job: tuple[Any, ...]) -> None:
    """Share work; the first process examines the others' code before and after (:mod:`cache.loaded`)."""
    orders.failed = True
    _tell()
    _share(*job)
    _tell()
    orders.failed = False


def _tell() -> None:
    told: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(told, loaded.news())
    for report in told[1:]:
        loaded.hear(report)


def _share(work: Callable[..., None], arguments: tuple[Any, ...], device: str, threads: int) -> None:
    """This process's part of the work, on its own device."""
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    cuda = device.startswith("cuda")
    own = f"cuda:{os.environ.get('LOCAL_RANK', dist.get_rank())}" if cuda else device
    if cuda:
        torch.cuda.set_device(own)
    with distributed.sharing():
        work(own, *arguments)
        dist.barrier()  # nobody leaves while another is still at it
