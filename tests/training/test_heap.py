"""Memory that is freed stays in the process while the heap is kept."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.command import PROJECT

#: Prints how many pages of 32 MB had to be fetched: before, while the heap is kept, after a use within that, and afterwards.
PROGRAM = """
import ctypes, json, resource
from models.heap import kept_heap

library = ctypes.CDLL(None)
library.prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: where pages of 2 MB are given out unasked, too few would be fetched to tell
library.malloc.restype, library.malloc.argtypes, library.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]

def fetched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = library.malloc(32 << 20)
    ctypes.memset(block, 1, 32 << 20)
    library.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

counts = [[fetched(), fetched()]]
with kept_heap():
    counts.append([fetched(), fetched()])
    with kept_heap():
        pass
    counts.append([fetched(), fetched()])
counts.append([fetched(), fetched()])
print(json.dumps(counts))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone gives memory back so soon")
def test_a_kept_heap_fetches_memory_once_and_is_given_back_by_the_last_who_wants_it() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=PROJECT, capture_output=True, text=True, check=True)
    before, kept, still, after = json.loads(done.stdout)
    assert kept[1] < 100 and max(still) < 100
    assert min(before) > 1000 and min(after) > 1000
