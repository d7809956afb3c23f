"""Who fills which item sets right now: many processes at one key, so each has a lock of its own, by which gc and people know of it."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Mapping

from cache import locks
from cache.locks import Holder
from cache.store import Store, listed

#: How the names of their locks begin, and after how many seconds without a heartbeat that of a dead one is removed.
PREFIX = "fill-"
FORGOTTEN = 3600.0


@contextlib.contextmanager
def filling(store: Store, key: str, *, what: str, uses: Mapping[str, list[str]]) -> Iterator[None]:
    """Say what this process fills, for ``key``, and what must stay meanwhile (``uses``: actions, objects, items)."""
    store.prepare()
    _sweep(store)
    lock = locks.acquire(store.root / "locks" / f"{PREFIX}{key[:16]}-{uuid.uuid4().hex[:12]}.lock")
    assert lock is not None
    try:
        lock.describe(what, uses)
        yield
    finally:
        lock.release()


def fillers(store: Store, key: str) -> list[Holder]:
    """Who fills rows for ``key`` right now, by what they fill."""
    names = (path for path in listed(store.root / "locks") if path.name.startswith(f"{PREFIX}{key[:16]}-"))
    return sorted((found for path in names if (found := locks.holder_of(path)) is not None), key=lambda holder: holder.what)


def _sweep(store: Store) -> None:
    """Remove the locks of dead processes: nobody else takes a lock of such a name, and so removes it."""
    for path in listed(store.root / "locks"):
        with contextlib.suppress(OSError):
            if path.name.startswith(PREFIX) and locks.age(path) > FORGOTTEN and locks.holder_of(path) is None:
                path.unlink()
