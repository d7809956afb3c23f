"""Let a thread run ahead of the consumer of an iterator, by so many elements and no more."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from queue import Queue
from typing import Any, TypeVar

T = TypeVar("T")
END = object()


def ahead(source: Iterable[T], depth: int) -> Iterator[T]:
    """Yield the elements of ``source``, which is iterated in a thread; at most ``depth`` wait. Its errors are raised here."""
    waiting: Queue[tuple[Any, BaseException | None]] = Queue(depth)
    stopped = threading.Event()

    def produce() -> None:
        error: BaseException | None = None
        try:
            for element in source:
                waiting.put((element, None))
                if stopped.is_set():
                    return
        except BaseException as raised:  # noqa: BLE001 - it is raised again by whoever waits for the elements
            error = raised
        waiting.put((END, error))

    thread = threading.Thread(target=produce, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            element, error = waiting.get()
            if error is not None:
                raise error
            if element is END:
                return
            yield element
    finally:
        stopped.set()
        while thread.is_alive():
            while not waiting.empty():
                waiting.get_nowait()
            thread.join(0.05)
