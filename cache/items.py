"""Item sets: one entry per (what went in, item key), in append-only checksummed shards.

See docs/FORMAT.md, "Items". A set belongs to one item key (stage, schema version, parameters, code, weights; never the
dataset), so datasets that share videos share the work. A row is found by its row key: the content digest of what went in.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cache import fs, network
from cache.errors import StoreError
from cache.lost import Lost
from cache.shard import HEAD2, TAIL, Place, checked, checksum, encode_row, quick, read_meta, read_run, scan

if TYPE_CHECKING:
    from concurrent.futures import Future

FLUSH_BYTES = 64 << 20
#: A shard that has grown so far is left alone, and a new one begun.
SHARD_BYTES = 4 << 30
#: How much the thread that reads ahead takes at a time, and how much may wait.
RUN_BYTES = 1 << 20
AHEAD_BYTES = 8 << 20
#: The payload's digest stands in the row's meta under this name: whoever wrote the row took it, the row's checksum keeps it.
DIGEST = "sha256"
#: Under this one, which device and libraries made the row.
MADE = "made"
#: Names in a row's meta that are the store's own: the second is the quick check of :mod:`cache.shard`.
OWN = (DIGEST, "crc32", MADE)


@dataclass(frozen=True)
class Item:
    """One row: ``meta`` is a small JSON object (state, reason, counts); ``payload`` its bytes; ``digest`` the payload's sha256; ``made``
    names the device and the versions of the libraries that made it (empty in rows of older kdpipes).

    :meth:`ItemSet.get` gives bytes, :meth:`ItemSet.read` a view of what it read.
    """

    key: str
    meta: dict[str, Any]
    payload: bytes | memoryview
    digest: str
    made: Mapping[str, str] = field(default_factory=dict)


class ItemSet:
    """A set of rows on disk. Many processes may append (each to a shard of its own) while others read.

    ``append`` buffers; ``flush`` writes the buffered rows and fsyncs once: a kill loses at most the rows since the last
    flush. Rows that fail their checksum are refused; a torn tail is not seen. ``also`` are directories of sets whose rows hold
    here too (an accepted predecessor, the same set in an upstream store); they are only read. ``made`` is what its rows will say of
    the device and the libraries; ``lost`` knows the items that became no row for now.
    """

    def __init__(self, directory: Path, *, writable: bool = True, also: Sequence[Path] = ()) -> None:
        self.directory = directory
        self.writable = writable
        self.also = tuple(also)
        self.appended = 0
        self.made: Mapping[str, str] = {}
        self.lost = Lost(directory)
        self._where: dict[str, Place] = {}
        self._seen: dict[Path, int] = {}
        self._pending: list[bytes] = []
        self._pending_keys: dict[str, tuple[int, int, int]] = {}
        self._pending_bytes = 0
        self._shard: Path | None = None
        self.refresh()

    def __contains__(self, key: str) -> bool:
        return self.has(key)

    def has(self, key: str) -> bool:
        """Whether the row is there; ``in`` tells a stage that it need not compute it, which is not the same in :mod:`cache.part`."""
        return key in self._where or key in self._pending_keys

    def whole(self, key: str, parts: Callable[[Item], Iterable[str]]) -> bool:
        """Whether the row of ``key`` is there, and all that it names; ``parts`` gives their keys."""
        item = self.get(key) if key in self else None
        return item is not None and all(part in self for part in parts(item))

    def __len__(self) -> int:
        return len(self._where.keys() | self._pending_keys.keys())

    def keys(self) -> Iterator[str]:
        """Row keys that are on disk."""
        return iter(self._where)

    def refresh(self) -> None:
        """See the rows that other processes have appended since."""
        if self.writable and self.directory.is_dir():
            network.look_anew(self.directory)
        for directory in (*self.also, self.directory):
            if directory.is_dir():
                for shard in sorted(directory.glob("*.items")):
                    self._scan(shard)

    def _scan(self, shard: Path) -> None:
        start = self._seen.get(shard, 0)
        try:
            found = network.again(lambda: list(scan(shard, start)))
        except FileNotFoundError:  # removed since its directory was read
            return
        for place in found:
            if isinstance(place, Place):
                self._where[place.key] = place
                start = place.end
        self._seen[shard] = start

    def get(self, key: str) -> Item | None:
        """Return the row of ``key`` after checking its checksum, or None. Raises StoreError if the row is damaged."""
        place = self._place(key)
        if place is None:
            return None
        (item,) = _items([place], whole=True)
        return replace(item, payload=bytes(item.payload))

    def peek(self, key: str) -> dict[str, Any] | None:
        """The meta of ``key``'s row, or None; the payload is not read, so the checksum of the row is **not** checked.

        For choosing what to read. Empty if it is damaged so far that it is no meta.
        """
        meta = self._meta(key)
        return None if meta is None else {name: value for name, value in meta.items() if name not in OWN}

    def maker(self, key: str) -> dict[str, str]:
        """What the row of ``key`` says of the device and the libraries that made it; unchecked as in :meth:`peek`."""
        found = (self._meta(key) or {}).get(MADE, {})
        return found if isinstance(found, dict) else {}

    def _meta(self, key: str) -> dict[str, Any] | None:
        place = self._place(key)
        if place is None:
            return None
        try:
            meta = json.loads(read_meta(place))
        except ValueError:
            return {}
        return meta if isinstance(meta, dict) else {}

    def _place(self, key: str) -> Place | None:
        if key in self._pending_keys:
            self.flush()
        return self._where.get(key)

    def read(self, keys: Iterable[str]) -> Iterator[Item]:
        """Yield the rows of ``keys`` in that order, each checked, quickly where it can be; a thread reads and checks ahead of the caller.

        About :data:`AHEAD_BYTES` wait in memory. Raises KeyError for a row that is not there, StoreError for a damaged one.
        """
        from concurrent.futures import ThreadPoolExecutor  # not for the verbs that only look

        if self._pending:
            self.flush()
        runs = _runs(self._where[key] for key in keys)
        with ThreadPoolExecutor(1, thread_name_prefix="items") as pool:
            ahead: deque[_Run] = deque()
            try:
                for run in runs:
                    ahead.append(_Run(run, pool.submit(_items, run)))
                    if len(ahead) > AHEAD_BYTES // RUN_BYTES:
                        yield from _next(ahead)
                while ahead:
                    yield from _next(ahead)
            finally:
                for waiting in ahead:
                    waiting.future.cancel()

    def append(self, key: str, payload: bytes, meta: dict[str, Any] | None = None) -> None:
        """Add a row. ``key`` is 64 hex digits. Visible to others after :meth:`flush` (done by itself every 64 MiB)."""
        if not self.writable:
            raise StoreError(f"item set {self.directory.name} is read-only here")
        if self.has(key):
            return
        for name in OWN:
            if meta and name in meta:
                raise ValueError(f"the meta of a row may not have a {name} of its own")
        whole = {**(meta or {}), **({MADE: dict(self.made)} if self.made else {}), DIGEST: hashlib.sha256(payload).hexdigest()}
        meta_bytes = json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()
        row = encode_row(key, meta_bytes, payload)
        self._pending_keys[key] = (self._pending_bytes, len(row) - HEAD2.size - len(payload) - TAIL, len(payload))
        self._pending.append(row)
        self._pending_bytes += len(row)
        if self._pending_bytes >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the buffered rows and fsync. If that fails they stay buffered, and the next flush tries again."""
        if not self._pending:
            return
        if self._shard is None:
            fs.make_directory(self.directory)
            self._shard = self.directory / f"{os.getpid()}-{uuid.uuid4().hex[:12]}.items"
        shard = self._shard
        start = shard.stat().st_size if shard.exists() else 0
        try:
            fs.append(shard, b"".join(self._pending))
        except OSError:
            self._shard = None  # whatever state it is in, nothing is written behind it
            raise
        for key, (offset, meta_size, payload_size) in self._pending_keys.items():
            self._where[key] = Place(key, shard, start + offset, meta_size, payload_size)
        self.appended += len(self._pending_keys)
        self._seen[shard] = start + self._pending_bytes
        if start + self._pending_bytes >= SHARD_BYTES:
            self._shard = None
        self._pending.clear()
        self._pending_keys.clear()
        self._pending_bytes = 0


def _items(places: Sequence[Place], *, whole: bool = False) -> list[Item]:
    """The rows at ``places``, which lie one behind the other, by their quick checks or, if ``whole``, by sha256.

    All checksums are taken in one go: between them there is next to nothing for which two threads have to wait for one another.
    """
    rows = read_run(places)
    sound = [not whole and quick(place, row) for place, row in zip(places, rows, strict=True)]
    found = [row[-TAIL:] if holds else checksum(row) for row, holds in zip(rows, sound, strict=True)]
    return [_item(place, row, digest) for place, row, digest in zip(places, rows, found, strict=True)]


def _item(place: Place, row: memoryview, found: bytes | memoryview) -> Item:
    try:
        text, payload = checked(place, row, found)
    except ValueError as error:
        raise StoreError(
            f"item {place.key[:12]} in {place.shard} is damaged ({error})",
            hint="kdpipe fsck --repair puts the damaged rows aside; the next run computes them anew, and only them",
        ) from error
    meta = json.loads(text)
    meta.pop("crc32", None)
    digest = meta.pop(DIGEST, "") or hashlib.sha256(payload).hexdigest()  # older rows do not tell
    return Item(place.key, meta, payload, digest, meta.pop(MADE, {}))


@dataclass
class _Run:
    """Rows that lie one behind the other; ``items`` if the caller has read them, else ``future`` will have them."""

    places: list[Place]
    future: Future[list[Item]]
    items: list[Item] = field(default_factory=list)


def _next(ahead: deque[_Run]) -> list[Item]:
    """Take the rows of the first run. While they are not there, the caller reads what the thread has not begun, instead of waiting."""
    first = ahead[0]
    for run in ahead:
        if first.items or first.future.done():
            break
        if run.future.cancel() and not run.items:
            run.items = _items(run.places)
    ahead.popleft()
    return first.items or first.future.result()


def _runs(places: Iterable[Place]) -> Iterator[list[Place]]:
    """Rows that lie one behind the other in a shard, about :data:`RUN_BYTES` at a time."""
    run: list[Place] = []
    for place in places:
        if run and (place.shard != run[-1].shard or place.offset != run[-1].end or place.end - run[0].offset > RUN_BYTES):
            yield run
            run = []
        run.append(place)
    if run:
        yield run
