"""Processes that share batches: started here (:mod:`models.training.started`), or by a launcher (:mod:`models.training.launched`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cache.stage import Progress, Quiet
from models.training import launched, started, telling


def run_together(
    processes: int, work: Callable[..., None], *arguments: Any, device: str = "cpu", progress: Callable[..., Progress] = Quiet
) -> None:
    """Run ``work(device, *arguments)`` in so many processes that know one another; on CUDA each has a device of its own.

    They are started here, or are those that a launcher started. ``work`` and its arguments must be picklable. What the first says to
    :func:`models.training.telling.progress` goes to bars of ``progress``, which stays in this process. When one of them fails or dies, all
    end within a minute, and its error is raised here, or a ProcessError that names it. Raises ConfigError if a launcher started another
    number.
    """
    if launched.launched is None and processes > 1:
        started.run(processes, work, arguments, device, progress)
        return
    with telling.through(progress):
        if launched.launched is not None:
            launched.run(processes, work, arguments, device)
        else:
            work(device, *arguments)
