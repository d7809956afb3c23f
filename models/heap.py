"""Keep the C library's heap from going back to the system between two batches, of a frozen network or of a training.

glibc gives every large block back when it is freed and fetches it again, page by page, for the next batch: on a CPU a third of a
ResNet's time. Elsewhere than on glibc this does nothing.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: parameters of mallopt(3)
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX, ARENA_MAX = -1, -2, -4, -8
#: one heap for all threads, nothing mapped by itself, given back only above 2 GiB of free top
KEEP = {ARENA_MAX: 1, MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1, TOP_PAD: 64 << 20}
#: glibc's defaults
USUAL = {ARENA_MAX: 0, MMAP_MAX: 65536, TRIM_THRESHOLD: 128 << 10, TOP_PAD: 128 << 10}


class _Heap:
    """The heap of this process, and how many want it kept."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None) if sys.platform == "linux" else None
        self._library = library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
        self._wanted = 0

    def want(self, more: int) -> None:
        """``more``: 1 or -1. The first keeps the heap, the last gives it back."""
        before, self._wanted = self._wanted, self._wanted + more
        if self._library is None or (before > 0) == (self._wanted > 0):
            return
        for parameter, value in (KEEP if more > 0 else USUAL).items():
            self._library.mallopt(parameter, value)
        if more < 0:
            self._library.malloc_trim(0)


_HEAP = _Heap()


@contextmanager
def kept_heap() -> Iterator[None]:
    """While it lasts, memory that is freed stays for the next batch; afterwards it goes back. Within another, it changes nothing."""
    _HEAP.want(1)
    try:
        yield
    finally:
        _HEAP.want(-1)
