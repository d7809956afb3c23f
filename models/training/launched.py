"""Processes that a launcher (``torchrun``) started, on one host or on several: the first runs the pipeline, the others serve it."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import distributed as dist

from cache import loaded
from cache.errors import ConfigError, KdpipeError
from models.training.failure import ProcessError
from models.training.meeting import TIMEOUT, meet, share
from models.training.watched import Watch, watched

LOOK_SECONDS = 0.1


class Orders:
    """What the first of a launcher's processes wants done, passed through the store that they met at.

    The others may wait for an order for days, while the first has other work: that is no collective, and has no time-out. The store
    is the launcher's or the first process's, so whoever waits learns by an error that nobody is there any more.
    """

    def __init__(self, store: Any) -> None:
        self._store, self._number = store, 0

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


class Launched:
    """The processes of a launcher as one of them sees them; ``first`` says whether it is the one that runs the pipeline."""

    def __init__(self, orders: Orders, watch: Watch) -> None:
        self.orders, self.watch, self.first = orders, watch, watch.rank == 0
        self.failed = False  # shared work broke off: the others may be waiting for this process in there

    def run(self, work: Callable[..., None], arguments: tuple[Any, ...], device: str) -> None:
        """Let all run ``work(device, *arguments)``, this process too. What ends one of them badly ends all, and is raised."""
        job = (work, arguments, device, torch.get_num_threads())
        self.orders.give(job)
        self.share(lambda: _job(*job))

    def follow(self) -> int:
        """Do what the first process asks until it asks no more; the exit status.

        Raises the reason if shared work fails. One process of each host does; the others leave without a word.
        """
        try:
            while (order := self._order()) is not None:
                self.share(lambda order=order: _job(*order))  # type: ignore[misc]
        except Exception as error:
            _record(error)
            if os.environ.get("LOCAL_RANK", "0") != "0":
                return 1
            raise
        return 0

    def share(self, work: Callable[[], None]) -> None:
        """Do something that all do together, under watch."""
        self.failed = True
        watched(self.watch, work)
        self.failed = False

    def _order(self) -> Any:
        try:
            return self.orders.take()
        except RuntimeError as error:
            self.failed = True
            what = f"rank {self.watch.rank} of {self.watch.size} waited for work, and the first process or its host is gone"
            raise ProcessError(f"{what}: {str(error).splitlines()[0]}", hint="see what the first process said") from error


launched: Launched | None = None


def run(processes: int, work: Callable[..., None], arguments: tuple[Any, ...], device: str) -> None:
    """Share work among the processes of the launcher. Raises ConfigError if it started another number."""
    assert launched is not None
    if processes != launched.watch.size:
        raise ConfigError(
            f"{launched.watch.size} processes were started, and the stage's parameter processes is {processes}",
            hint=f"--set <stage>.processes={launched.watch.size}; it is part of the key, since sums are split by it",
        )
    launched.run(work, arguments, device)


@contextlib.contextmanager
def serving() -> Iterator[Launched]:
    """Among the processes of a launcher: the first goes on and asks, the others :meth:`Launched.follow`.

    When shared work has failed, this process ends here: a thread of it may still be waiting for one that is dead.
    """
    global launched
    store, rank, size = next(iter(dist.rendezvous("env://", timeout=TIMEOUT)))
    watch = Watch(store.clone(), rank, size)
    # gloo for what is told between hosts, NCCL for gradients
    meet("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", store=store, rank=rank, world_size=size)
    watch.start()
    launched = Launched(Orders(store), watch)
    try:
        yield launched
    finally:
        if not launched.failed:
            _part(launched)
        watch.stop()
        if launched.failed:
            _leave()
        launched = None
        dist.destroy_process_group()


def _part(together: Launched) -> None:
    try:
        if together.first:
            together.orders.give(None)
        together.share(dist.barrier)  # nobody leaves while another is still at it
    except (KdpipeError, RuntimeError) as error:
        together.failed = True
        sys.stderr.write(f"error: while leaving: {error}\n")


def _job(work: Callable[..., None], arguments: tuple[Any, ...], device: str, threads: int) -> None:
    """Share work; the first process examines the others' code before and after (:mod:`cache.loaded`)."""
    _tell()
    share(work, arguments, device, threads)
    _tell()


def _tell() -> None:
    told: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(told, loaded.news())
    for report in told[1:]:
        loaded.hear(report)


def _record(error: Exception) -> None:
    """Leave the reason where the launcher looks for it when it says which of its processes failed."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    if "TORCHELASTIC_ERROR_FILE" in os.environ:
        get_error_handler().record_exception(error)


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(1)
