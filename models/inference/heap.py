"""Keep the C library's heap from going back to the system between two batches.

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


@contextmanager
def kept_heap() -> Iterator[None]:
    """While it lasts, memory that is freed stays for the next batch; afterwards it goes back."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield
        return
    for parameter, value in KEEP.items():
        library.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in USUAL.items():
            library.mallopt(parameter, value)
        library.malloc_trim(0)
