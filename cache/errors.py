"""Errors meant for the person at the keyboard.

Every error of ours says what was wrong, where, and what to type next. They are caught once, by the command
line, which prints the message alone; a traceback appears only with ``-v``.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
from collections.abc import Collection, Iterable


class KdpipeError(Exception):
    """Something a user can understand and act on.

    ``hint`` is the next command to type, or the nearest known name; the command line prints it on a line of its own.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class ConfigError(KdpipeError):
    """An unknown key, a wrong type or an impossible value in a config or on the command line."""


class DataError(KdpipeError):
    """Bad input data: an annotation, a media file, a feature file or a checkpoint."""


class StoreError(KdpipeError):
    """The store is damaged, too new, or cannot be written."""


class StaleInputError(KdpipeError):
    """A stage was asked to run while what it reads is missing or stale."""


class ToleranceError(KdpipeError):
    """A stage lost more of its items than its stated tolerance."""


class GoneError(StoreError):
    """Something was collected while it was being named."""


class RemoteError(StoreError):
    """A remote cannot be reached, or is no store."""


class DamageError(RemoteError):
    """What a store holds is not what its digest says: it is not taken over."""


class DiskError(StoreError):
    """The disk is full, broken, or may not be written: nothing that trying again at once would mend."""


#: What to do about errors that do not go away by themselves.
_DISK = {
    errno.ENOSPC: "make room (kdpipe gc shows what could go), then run the same command again",
    errno.EDQUOT: "make room (kdpipe gc shows what could go), then run the same command again",
    errno.EIO: "the disk or the network file system fails; kdpipe fsck --all shows what it cost",
    errno.ESTALE: "the network file system lost the file; run the same command again when it is back",
    errno.EROFS: "the store is read-only here; set KDPIPE_STORE to a place that can be written",
    errno.EACCES: "check the rights of that file; a store that a group shares needs umask 002 (docs/SHARING.md)",
    errno.EPERM: "check the rights of that file",
    errno.ENAMETOOLONG: "no file system takes such a path: choose a shorter one",
    errno.ELOOP: "links lead in a circle there: name the place itself",
    errno.EMFILE: "raise the limit of open files: ulimit -n",
}


def disk_error(error: OSError) -> DiskError | None:
    """The error as one for people, if it is one that the disk, the rights or the system cause; else None."""
    number = error.errno
    if number is None and (told := re.search(r"errno = (\d+)", str(error))):  # h5py says it in words
        number = int(told[1])
    if number not in _DISK:
        return None
    name = str(error.filename or "")
    where = f": {name[: 2 * LONGEST]}{'…' if len(name) > 2 * LONGEST else ''}" if name else ""
    return DiskError(f"{os.strerror(number)}{where}; nothing half-written is kept", hint=_DISK[number])


#: A name is compared as far as this.
LONGEST = 100

#: How many known names are listed in full.
LISTED = 20


def nearest(name: str, known: Iterable[str], *, most: int = 1) -> str:
    """Return ``"did you mean 'x'?"`` for the known name closest to ``name`` (``most`` of them), or the known names: all, or the nearest
    three of many."""
    names, name = sorted(known), name[:LONGEST]
    close = difflib.get_close_matches(name, names, n=most, cutoff=0.5)
    if close:
        *others, last = [f"'{text}'" for text in close]
        return f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
    if len(names) <= LISTED:
        return "known: " + ", ".join(names) if names else ""
    return f"the nearest of {len(names)}: " + ", ".join(difflib.get_close_matches(name, names, n=3, cutoff=0.0))


def one_of(what: str, value: str, known: Collection[str]) -> None:
    """Raise ConfigError, naming the nearest of the ``known``, if ``value`` is none of them; ``what`` is what has that value."""
    if value not in known:
        raise ConfigError(f"{what} cannot be {value!r}", hint=nearest(value, known))


def some(names: Iterable[object], most: int = 5) -> str:
    """The first few names, and how many more there are: an error never lists thousands."""
    all_of_them = [str(name) for name in names]
    more = f" … and {len(all_of_them) - most:,} more" if len(all_of_them) > most else ""
    return ", ".join(all_of_them[:most]) + more
