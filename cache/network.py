"""What a network file system does to a store, and a disk does not (docs/SHARED_DISKS.md).

A client answers from what it remembers of names and attributes, for up to a minute. A reply that got lost makes it send a request again,
which then finds its own work done and fails. A file that another machine removed is stale for whoever has it open.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

#: How names begin that come and go in any directory: those that an NFS client gives to files which were removed while they were open
#: there, and those of :func:`look_anew`.
PASSING = (".nfs", ".look-")
#: How often something is read again that became stale meanwhile.
TRIES = 5

T = TypeVar("T")


def again(read: Callable[[], T]) -> T:
    """What ``read`` returns, which opens a file and reads it; once more if another machine replaced the file in between."""
    for _ in range(TRIES):
        try:
            return read()
        except OSError as error:
            if error.errno != errno.ESTALE:
                raise
    return read()


def read_bytes(path: Path) -> bytes:
    """The bytes of a small file that others may replace at any time. Raises as :meth:`Path.read_bytes`."""
    return again(path.read_bytes)


def look_anew(directory: Path) -> None:
    """Make this machine forget what it knows of the names in ``directory``: whoever changes a directory is told how it is now."""
    probe = directory / f"{PASSING[1]}{uuid.uuid4().hex[:12]}"
    for change in (probe.mkdir, probe.rmdir):
        with contextlib.suppress(OSError):  # where nothing may be written, what is remembered has to do
            change()


def identity(path: Path) -> tuple[int, int] | None:
    """What a file or directory is, whatever its name; None if nothing is there."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def landed(source: Path, target: Path, moved: tuple[int, int] | None) -> bool:
    """Whether a rename that failed was done all the same, its reply lost: what was at ``source`` (``moved``) is at ``target``."""
    return moved is not None and identity(target) == moved and identity(source) != moved


def age_of(path: Path, now: float) -> float:
    """Seconds from the last change of a file until ``now``, as its server says it: opening a file asks for that. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return now - os.fstat(descriptor).st_mtime
    finally:
        os.close(descriptor)
