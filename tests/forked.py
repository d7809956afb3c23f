"""Processes that share work, as forks of one that has loaded torch: to load it takes most of the time that they need to start.

kdpipe itself starts each in the ordinary way; where a test is about what the processes do, and not about their start, it may start
them so. A fork has loaded libraries only, so it imports the project's modules from where they stand, as an ordinary one does.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from multiprocessing import forkserver
from unittest import mock

import torch.multiprocessing

LIBRARIES = ["numpy", "torch", "torch._dynamo", "torch.distributed.nn", "safetensors.torch", "h5py", "pytest"]


@functools.cache
def _server() -> forkserver.ForkServer:
    """Another than the one of kdpipe's workers, which runs already in most processes of a test run and has loaded no torch."""
    server = forkserver.ForkServer()
    server.set_forkserver_preload(LIBRARIES)
    return server


@contextlib.contextmanager
def forked() -> Iterator[None]:
    """Inside, ``torch.multiprocessing.spawn`` forks."""
    how = functools.partial(torch.multiprocessing.start_processes, start_method="forkserver")
    with (
        mock.patch.object(torch.multiprocessing, "spawn", how),
        mock.patch.object(forkserver, "connect_to_new_process", _server().connect_to_new_process),
    ):
        yield
