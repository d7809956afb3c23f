"""Worker processes for a function of a job: results in the order of the jobs, and the same whatever the number of processes."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from cache import loaded

Run = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@contextmanager
def pool(workers: int) -> Iterator[Run]:
    """``run(function, jobs)`` yields results in order; only so many are under way or waiting that memory stays small."""
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as processes:

        def run(function: Callable[[Any], Any], jobs: Iterable[Any]) -> Iterator[Any]:
            waiting: deque[Future[Any]] = deque()
            for job in jobs:
                waiting.append(processes.submit(loaded.answer, function, job))
                if len(waiting) >= 8 * workers:
                    yield loaded.taken(waiting.popleft().result())
            for future in waiting:
                yield loaded.taken(future.result())

        try:
            yield run
        finally:
            processes.shutdown(cancel_futures=True)
