"""Memory that a module of tests took and has freed goes back: workers share a machine, and to fork a large process takes long."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
from pathlib import Path

import pytest

#: Bytes that a worker may hold more than when it last gave some back.
MORE = 2 << 30
TOLD = Path("/proc/self/statm")


class GivenBack:
    """A plugin of pytest that looks after every module."""

    def __init__(self) -> None:
        self._usual = 0

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Give back what is free, if it is much."""
        if nextitem is None or nextitem.path == item.path:
            return
        held = _held()
        self._usual = self._usual or held
        if held > self._usual + MORE:
            gc.collect()
            with contextlib.suppress(AttributeError):  # another C library than glibc
                ctypes.CDLL(None).malloc_trim(0)
            self._usual = _held()


def _held() -> int:
    """Bytes of memory that this process holds; 0 where that cannot be read."""
    return int(TOLD.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if TOLD.exists() else 0
