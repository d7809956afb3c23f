"""Digests of files that have not changed since they were last read.

Entries are found by (device, inode, size, mtime, ctime), never by name, and bound to what these stamps can be believed for
(:mod:`cache.mounts`): this machine, or one mount of an image; where they prove nothing, nothing is remembered. The racy-file rule: a
file that was changed within the last moments before it was read may change again without its stamps moving, so its digest is not
kept. The memo only saves work; it may be deleted at any time, and where it cannot be written or read, files are read.
"""

from __future__ import annotations

import contextlib
import time
import zlib
from pathlib import Path

from cache import fs, mounts
from cache.digest import digest_file
from cache.mounts import Bond

#: Stamps of some file systems tick only every two seconds.
RACY_NS = 2_000_000_000

#: How often the log is searched before it is sorted into a table: the light verbs ask for a few files, or for all.
FEW = 8

Stamp = tuple[int, int, int, int, int]


def stamp(path: Path) -> Stamp:
    """(device, inode, size, mtime_ns, ctime_ns) of ``path``, links followed."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


class Log:
    """name -> digest, in an append-only text file that any number of processes may append to; names are free of line ends.

    A line is ``name digest crc32``. Torn and damaged lines are not used; the last of several lines of a name counts. Without
    ``recall`` only what this process added is known.
    """

    def __init__(self, path: Path, *, recall: bool = True) -> None:
        self.path = path
        self._text: bytes | None = None if recall else b""
        self._table: dict[bytes, bytes] | None = None
        self._added: dict[bytes, str] = {}
        self._asked = 0

    def get(self, name: bytes) -> str | None:
        """The digest under ``name``, or None."""
        if name in self._added:
            return self._added[name]
        if self._text is None:
            self._text = b""
            with contextlib.suppress(OSError):
                self._text = b"\n" + self.path.read_bytes()
        self._asked += 1
        if self._table is None and self._asked > FEW:
            self._table = {line[:-74]: line[-73:] for line in self._text.split(b"\n")}
        rest = self._table.get(name, b"") if self._table is not None else self._search(self._text, name)
        digest, check = rest[:64], rest[65:]
        return digest.decode() if check == b"%08x" % zlib.crc32(name + b" " + digest) else None

    @staticmethod
    def _search(text: bytes, name: bytes) -> bytes:
        start = text.rfind(b"\n" + name + b" ")
        return text[start + len(name) + 2 :][:73] if start >= 0 else b""

    def add(self, name: bytes, digest: str) -> None:
        """Append an entry."""
        self._added[name] = digest
        body = name + b" " + digest.encode()
        fs.append_line(self.path, body + b" %08x\n" % zlib.crc32(body))


class DigestMemo:
    """File stamp -> sha256. Without ``recall``, each file is read once in the life of this object, and remembered anew."""

    def __init__(self, path: Path, *, recall: bool = True) -> None:
        self._log = Log(path, recall=recall)
        self._lasting: dict[int, Bond] = {}

    def of(self, stamp: Stamp, bond: Bond) -> str | None:
        """The digest of the file that had this stamp, if it is remembered."""
        return self._log.get(_name(stamp, bond)) if bond.name else None

    def known(self, path: Path) -> str | None:
        """The digest of ``path`` if it is remembered and the file is unchanged; reads no content."""
        return self.of(*self._look(path))

    def digest(self, path: Path) -> str:
        """The digest of ``path``, from memory or by reading it."""
        remembered = self.known(path)
        if remembered is not None:
            return remembered
        while True:
            (before, bond), begun = self._look(path), time.time_ns()
            digest = digest_file(path)
            if not bond.holds(before[4]):
                return digest
            if self._look(path) == (before, bond):
                break
        if max(before[3], before[4]) < begun - RACY_NS:
            self._log.add(_name(before, bond), digest)
        return digest

    def _look(self, path: Path) -> tuple[Stamp, Bond]:
        """The stamp of a file and what binds it. A file system that is honest is asked once, another each time: it may be mounted anew."""
        seen = stamp(path)
        bond = self._lasting.get(seen[0])
        if bond is None:
            bond = mounts.bond(path)
            if bond.lasting:
                self._lasting[seen[0]] = bond
        return seen, bond


def _name(stamp: Stamp, bond: Bond) -> bytes:
    return b"%s %d %d %d %d %d" % (bond.name.encode(), *stamp)
