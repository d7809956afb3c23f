"""Digests of files that have not changed since they were last read.

Entries are found by (device, inode, size, mtime, ctime), never by name. The racy-file rule: a file that was changed
within the last moments before it was read may change again without its stamps moving, so its digest is not kept.
The memo only saves work; it may be deleted at any time.
"""

from __future__ import annotations

import os
import time
import zlib
from pathlib import Path

from cache.digest import digest_file

#: Stamps of some file systems tick only every two seconds.
RACY_NS = 2_000_000_000

Stamp = tuple[int, int, int, int, int]


def stamp(path: Path) -> Stamp:
    """(device, inode, size, mtime_ns, ctime_ns) of ``path``, links followed."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


class DigestMemo:
    """File stamp -> sha256, kept in an append-only text file that any number of processes may append to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[Stamp, str] | None = None

    def _load(self) -> dict[Stamp, str]:
        known: dict[Stamp, str] = {}
        if self.path.exists():
            for line in self.path.read_bytes().splitlines():
                body, _, check = line.rpartition(b" ")
                if check != b"%08x" % zlib.crc32(body):
                    continue  # a torn or damaged line: that file is digested again
                *numbers, digest = body.split()
                dev, ino, size, mtime, ctime = (int(n) for n in numbers)
                known[dev, ino, size, mtime, ctime] = digest.decode()
        return known

    def known(self, path: Path) -> str | None:
        """The digest of ``path`` if it is remembered and the file is unchanged; reads no content."""
        if self._known is None:
            self._known = self._load()
        return self._known.get(stamp(path))

    def digest(self, path: Path) -> str:
        """The digest of ``path``, from memory or by reading it."""
        remembered = self.known(path)
        if remembered is not None:
            return remembered
        while True:
            before = stamp(path)
            digest = digest_file(path)
            if stamp(path) == before:
                break
        if max(before[3], before[4]) < time.time_ns() - RACY_NS:
            self._remember(before, digest)
        return digest

    def _remember(self, key: Stamp, digest: str) -> None:
        assert self._known is not None
        self._known[key] = digest
        body = b"%d %d %d %d %d %s" % (*key, digest.encode())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(descriptor, body + b" %08x\n" % zlib.crc32(body))
        finally:
            os.close(descriptor)
