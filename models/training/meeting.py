"""What a process does that shares work, whoever started it."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from torch import distributed as dist

from models.training import distributed

#: How long one process waits in shared work for another that lives; one that is dead is found sooner (:mod:`models.training.silence`).
TIMEOUT = timedelta(minutes=30)


def meet(backend: str, **how: Any) -> None:
    """Begin to know the other processes."""
    # Its functions have the group that exists while it is imported as a default argument. Imported later (by an optimizer), it would
    # keep the group, and with it gloo's threads, beyond its end; one of these can abort a process that is leaving.
    import torch.distributed.nn  # noqa: F401

    dist.init_process_group(backend, timeout=TIMEOUT, **how)


def share(work: Callable[..., None], arguments: tuple[Any, ...], device: str, threads: int) -> None:
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
