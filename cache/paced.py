"""Rows of an item set on disk soon after they are finished, but not at any price."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from cache.items import ItemSet

#: Finished rows are flushed at once, unless flushing would take more than this share of the time.
SHARE = 0.05


class Paced:
    """Appends rows and flushes them: a kill costs the rows since the last flush. Use as a context manager: on the way out, also of an
    error or an interrupt, what is finished is flushed.
    """

    def __init__(self, items: ItemSet) -> None:
        self._items = items
        self._flushed, self._cost = time.monotonic(), 0.0

    def __enter__(self) -> Paced:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._items.flush()

    def append(self, key: str, payload: bytes, meta: dict[str, Any]) -> None:
        """Add a row, as :meth:`cache.items.ItemSet.append` does."""
        self._items.append(key, payload, meta)
        began = time.monotonic()
        if began - self._flushed >= self._cost / SHARE:
            self._items.flush()
            self._flushed = time.monotonic()
            self._cost = self._flushed - began
