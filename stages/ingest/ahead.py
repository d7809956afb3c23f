"""Let a thread run ahead of the consumer of an iterator, by so many elements and no more."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
END = object()


def ahead(source: Iterable[T], depth: int) -> Iterator[T]:
    """Yield the elements of ``source``, which is iterated in a thread; at most ``depth`` wait. Its errors are raised here."""
    elements = iter(source)
    thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        waiting = deque(thread.submit(next, elements, END) for _ in range(depth))
        while (element := waiting.popleft().result()) is not END:
            waiting.append(thread.submit(next, elements, END))
            yield element
    finally:
        thread.shutdown(cancel_futures=True)
