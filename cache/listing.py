"""One digest for a whole listing of files that have not changed, so that judging many raw files takes one look-up.

A listing is known by a digest over every path and stamp in it. It is remembered only if every file in it is known to the memo by
just that stamp: so the rules of :mod:`cache.memo` hold for it, and whatever changes one of its files makes it another listing.
"""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Iterable, Iterator
from operator import attrgetter, itemgetter
from pathlib import Path

from cache import mounts
from cache.memo import Log, Stamp
from cache.mounts import Bond

#: A hundred thousand files are looked at without a line of Python for each: hence ``map``, and bare names.
look = os.stat
_stamp_of = attrgetter("st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns")
_device_of = itemgetter(0)


class Listing:
    """Files under ``root`` and their stamps (see :func:`cache.memo.stamp`) at one moment. Raises OSError for a file that is not there."""

    def __init__(self, root: Path, paths: Iterable[str]) -> None:
        self.root = root
        self.paths = list(paths)
        base = f"{root}/"
        self.stamps: list[Stamp] = list(map(_stamp_of, map(look, [base + path for path in self.paths])))
        devices = list(map(_device_of, self.stamps))
        #: What binds the files of each device: it is asked for one of them.
        self.bonds: dict[int, Bond] = {device: mounts.bond(root / self.paths[devices.index(device)]) for device in sorted(set(devices))}

    def __iter__(self) -> Iterator[tuple[str, Stamp, Bond]]:
        for path, stamp in zip(self.paths, self.stamps, strict=True):
            yield path, stamp, self.bonds[stamp[0]]

    @property
    def believed(self) -> bool:
        """Whether the stamps of all its files tell if they changed."""
        return all(bond.name for bond in self.bonds.values())

    @property
    def digest(self) -> str:
        """sha256 over all paths, stamps and bonds: the fastest text that only equal listings have, one that no result depends on."""
        bonds = [bond.name for bond in self.bonds.values()]
        return hashlib.sha256(marshal.dumps((self.paths, self.stamps, bonds), 2)).hexdigest()

    def unchanged(self) -> bool:
        """Whether every file still has the stamp that it had, on the same mount."""
        try:
            now = Listing(self.root, self.paths)
            return (now.stamps, now.bonds) == (self.stamps, self.bonds)
        except OSError:
            return False


class ListingMemo:
    """Digest of a listing -> digest of the names and contents behind it; for whoever calls :meth:`remember` to keep true."""

    def __init__(self, path: Path, *, recall: bool = True) -> None:
        self._log = Log(path, recall=recall)

    def known(self, listing: Listing) -> str | None:
        """What was remembered of this very listing, or None."""
        return self._log.get(listing.digest.encode()) if listing.believed else None

    def remember(self, listing: Listing, digest: str) -> None:
        """Keep ``digest`` for a listing all of whose files the memo knows by their stamps."""
        self._log.add(listing.digest.encode(), digest)
