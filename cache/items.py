"""Item sets: one entry per (what went in, item key), in append-only checksummed shards.

See docs/FORMAT.md, "Items". A set belongs to one item key (stage, schema version, parameters, code, weights; never the
dataset), so datasets that share videos share the work. A row is found by its row key: the content digest of what went in.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache import fs
from cache.errors import StoreError

MAGIC = b"KDI1"
#: magic, row key (32 bytes), length of meta, length of payload
HEAD = struct.Struct("<4s32sIQ")
TAIL = 32  # sha256 of head + meta + payload
FLUSH_BYTES = 64 << 20


@dataclass(frozen=True)
class Item:
    """One row: ``meta`` is a small JSON object (state, reason, counts); ``payload`` its bytes; ``digest`` the payload's sha256."""

    key: str
    meta: dict[str, Any]
    payload: bytes
    digest: str


class ItemSet:
    """A set of rows on disk. Many processes may append (each to a shard of its own) while others read.

    ``append`` buffers; ``flush`` writes the buffered rows and fsyncs once: a kill loses at most the rows since the last
    flush. Rows that fail their checksum are refused; a torn tail is not seen.
    """

    def __init__(self, directory: Path, *, writable: bool = True) -> None:
        self.directory = directory
        self.writable = writable
        self._where: dict[str, tuple[Path, int, int, int]] = {}  # key -> shard, offset, meta length, payload length
        self._seen: dict[Path, int] = {}
        self._pending: list[bytes] = []
        self._pending_keys: dict[str, tuple[int, int, int]] = {}
        self._pending_bytes = 0
        self._shard: Path | None = None
        self.refresh()

    def __contains__(self, key: str) -> bool:
        return key in self._where or key in self._pending_keys

    def __len__(self) -> int:
        return len(self._where.keys() | self._pending_keys.keys())

    def keys(self) -> Iterator[str]:
        """Row keys that are on disk."""
        return iter(self._where)

    def refresh(self) -> None:
        """See the rows that other processes have appended since."""
        if not self.directory.is_dir():
            return
        for shard in sorted(self.directory.glob("*.items")):
            self._scan(shard)

    def _scan(self, shard: Path) -> None:
        start = self._seen.get(shard, 0)
        size = shard.stat().st_size
        if size <= start:
            return
        with shard.open("rb") as file:
            while start + HEAD.size <= size:
                file.seek(start)
                magic, key, meta_size, payload_size = HEAD.unpack(file.read(HEAD.size))
                end = start + HEAD.size + meta_size + payload_size + TAIL
                if magic != MAGIC or end > size:
                    break  # a torn tail: the writer was killed; nothing after it can be trusted
                self._where[key.hex()] = (shard, start, meta_size, payload_size)
                start = end
        self._seen[shard] = start

    def get(self, key: str) -> Item | None:
        """Return the row of ``key`` after checking its checksum, or None. Raises StoreError if the row is damaged."""
        if key in self._pending_keys:
            self.flush()
        place = self._where.get(key)
        if place is None:
            return None
        shard, offset, meta_size, payload_size = place
        with shard.open("rb") as file:
            file.seek(offset)
            row = file.read(HEAD.size + meta_size + payload_size + TAIL)
        body = memoryview(row)[:-TAIL]
        if len(row) != HEAD.size + meta_size + payload_size + TAIL or hashlib.sha256(body).digest() != row[-TAIL:]:
            raise StoreError(
                f"item {key[:12]} in {shard.name} is damaged (its checksum does not match)",
                hint=f"remove {shard} and run the stage again: only its rows are computed anew",
            )
        meta = json.loads(bytes(body[HEAD.size : HEAD.size + meta_size]))
        payload = bytes(body[HEAD.size + meta_size :])
        return Item(key, meta, payload, hashlib.sha256(payload).hexdigest())

    def append(self, key: str, payload: bytes, meta: dict[str, Any] | None = None) -> None:
        """Add a row. ``key`` is 64 hex digits. Visible to others after :meth:`flush` (done by itself every 64 MiB)."""
        if not self.writable:
            raise StoreError(f"item set {self.directory.name} is read-only here")
        if key in self:
            return
        meta_bytes = json.dumps(meta or {}, sort_keys=True, separators=(",", ":")).encode()
        head = HEAD.pack(MAGIC, bytes.fromhex(key), len(meta_bytes), len(payload))
        digest = hashlib.sha256(head)
        digest.update(meta_bytes)
        digest.update(payload)
        self._pending_keys[key] = (self._pending_bytes, len(meta_bytes), len(payload))
        row = b"".join((head, meta_bytes, payload, digest.digest()))
        self._pending.append(row)
        self._pending_bytes += len(row)
        if self._pending_bytes >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write the buffered rows and fsync."""
        if not self._pending:
            return
        if self._shard is None:
            fs.make_directory(self.directory)
            self._shard = self.directory / f"{os.getpid()}-{uuid.uuid4().hex[:12]}.items"
        start = self._shard.stat().st_size if self._shard.exists() else 0
        fs.append(self._shard, b"".join(self._pending))
        for key, (offset, meta_size, payload_size) in self._pending_keys.items():
            self._where[key] = (self._shard, start + offset, meta_size, payload_size)
        self._seen[self._shard] = start + self._pending_bytes
        self._pending.clear()
        self._pending_keys.clear()
        self._pending_bytes = 0
