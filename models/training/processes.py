"""Processes that share batches: started here (:mod:`models.training.started`), or by a launcher (:mod:`models.training.launched`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.training import launched, started


def run_together(processes: int, work: Callable[..., None], *arguments: Any, device: str = "cpu") -> None:
    """Run ``work(device, *arguments)`` in so many processes that know one another; on CUDA each has a device of its own.

    They are started here, or are those that a launcher started. ``work`` and its arguments must be picklable. When one of them fails or
    dies, all end within a minute, and its error is raised here, or a ProcessError that names it. Raises ConfigError if a launcher
    started another number.
    """
    if launched.launched is not None:
        launched.run(processes, work, arguments, device)
    elif processes == 1:
        work(device, *arguments)
    else:
        started.run(processes, work, arguments, device)
