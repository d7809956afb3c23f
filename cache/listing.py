"""One digest for a whole listing of files that have not changed, so that judging many raw files takes one look-up.

A listing is known by a digest over every path and stamp in it. It is remembered only if every file in it is known to the memo by
just that stamp: so the racy-file rule of :mod:`cache.memo` holds for it, and whatever changes one of its files makes it another listing.
"""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path

from cache.memo import Log, Stamp

#: A hundred thousand files are looked at without a line of Python for each: hence ``map``, and bare names.
look = os.stat
_stamp_of = attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")


class Listing:
    """Files under ``root`` and their stamps (see :func:`cache.memo.stamp`) at one moment. Raises OSError for a file that is not there."""

    def __init__(self, root: Path, paths: Iterable[str]) -> None:
        self.root = root
        self.paths = list(paths)
        base = f"{root}/"
        self.stamps: list[Stamp] = list(map(_stamp_of, map(look, [base + path for path in self.paths])))

    def __iter__(self) -> Iterator[tuple[str, Stamp]]:
        return zip(self.paths, self.stamps, strict=True)

    @property
    def digest(self) -> str:
        """sha256 over all paths and stamps: the fastest text that only equal listings have, one that no result depends on."""
        return hashlib.sha256(marshal.dumps((self.paths, self.stamps), 2)).hexdigest()

    def unchanged(self) -> bool:
        """Whether every file still has the stamp that it had."""
        try:
            return Listing(self.root, self.paths).stamps == self.stamps
        except OSError:
            return False


class ListingMemo:
    """Digest of a listing -> digest of the names and contents behind it; for whoever calls :meth:`remember` to keep true."""

    def __init__(self, path: Path) -> None:
        self._log = Log(path)

    def known(self, listing: Listing) -> str | None:
        """What was remembered of this very listing, or None."""
        return self._log.get(listing.digest.encode())

    def remember(self, listing: Listing, digest: str) -> None:
        """Keep ``digest`` for a listing all of whose files the memo knows by their stamps."""
        self._log.add(listing.digest.encode(), digest)
