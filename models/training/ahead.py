"""The next batches of a pass, fetched in threads while one is learnt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """``fetch(epoch, step)`` of a step, whose ``number`` is its place among ``batches(epoch)``; those after it are begun.

    What is fetched does not depend on it.
    """

    def __init__(self, batches: Callable[[int], Sequence[Any]], fetch: Callable[[int, Any], T], threads: int) -> None:
        self._batches, self._fetch, self._threads = batches, fetch, threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="clips")
        self._waiting: dict[tuple[int, int], Future[T]] = {}

    def __call__(self, epoch: int, step: Any) -> T:
        """The data of a batch."""
        for later in self._batches(epoch)[step.number : step.number + self._threads + 1]:
            if (epoch, later.number) not in self._waiting:
                self._waiting[epoch, later.number] = self._pool.submit(self._fetch, epoch, later)
        return self._waiting.pop((epoch, step.number)).result()

    def __enter__(self) -> Ahead[T]:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
