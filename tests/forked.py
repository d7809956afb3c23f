"""Processes that share work, as forks of one that has loaded torch: to load it takes most of the time that they need to start.

kdpipe itself starts each in the ordinary way; where a test is about what the processes do, and not about their start, it may start
them so. A fork has loaded libraries only, so it imports the project's modules from where they stand, as an ordinary one does.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
from collections.abc import Iterator
from unittest import mock

import torch.multiprocessing

LIBRARIES = ["numpy", "torch", "torch._dynamo", "torch.distributed.nn", "safetensors.torch", "h5py", "pytest"]


@contextlib.contextmanager
def forked() -> Iterator[None]:
    """Inside, ``torch.multiprocessing.spawn`` forks."""
    multiprocessing.set_forkserver_preload(LIBRARIES)
    how = functools.partial(torch.multiprocessing.start_processes, start_method="forkserver")
    with mock.patch.object(torch.multiprocessing, "spawn", how):
        yield
