"""Work on several things at once, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(work: Callable[[Job], Result], jobs: Iterable[Job], threads: int, start: Callable[[], None]) -> Generator[Result, None, None]:
    """Yield ``work(job)`` in the order of ``jobs``; ``threads`` of them run at once, at most as many more wait finished.

    Decoding, resizing and the network's operations release the interpreter lock, so threads do. ``start`` runs first in every
    thread. ``jobs`` is consumed as results are taken, in the caller's thread: one of these can feed another. The first error ends
    the iteration; work that has not begun is dropped.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="infer", initializer=start) as pool:
        ahead: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                ahead.append(pool.submit(work, job))
                if len(ahead) >= 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
