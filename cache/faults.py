"""Breaks the store's own file operations on purpose, so that tests can show what survives. Off unless KDPIPE_FAULT is set.

``KDPIPE_FAULT=kind:k`` strikes at the k-th file operation of the process, ``kind:k@operation`` at the k-th of one operation
(``write``, ``fsync``, ``rename`` ...; see :mod:`cache.fs`). Kinds:

    kill             SIGKILL before the operation
    torn             a write puts half of its bytes on disk, then SIGKILL
    short            a write puts half of its bytes on disk and says so, as a disk may
    enospc eio estale erofs   the operation fails with that error
    lost             a rename is done, and then fails as if it had not been: its reply was lost, and it was sent again
    count            nothing; with KDPIPE_FAULT_LOG=FILE every operation is noted there (any kind writes it)
"""

from __future__ import annotations

import errno
import os
import re
import signal
from pathlib import Path

ERRORS = {"enospc": errno.ENOSPC, "eio": errno.EIO, "estale": errno.ESTALE, "erofs": errno.EROFS}
KINDS = {"kill", "torn", "short", "count", "lost", *ERRORS}
#: What :mod:`cache.fs` says when an operation is done, for faults that come then; it counts for no others.
DONE = "renamed"


class Fault:
    """One fault, waiting for its operation."""

    def __init__(self, text: str, log: str = "") -> None:
        match = re.fullmatch(r"([a-z]+):(\d+)(?:@([a-z]+))?", text)
        if match is None or match[1] not in KINDS:
            raise ValueError(f"KDPIPE_FAULT={text!r}: expected kind:k or kind:k@operation, kind one of {', '.join(sorted(KINDS))}")
        self.kind, self.at, self.operation = match[1], int(match[2]), match[3] or ""
        self.log = log
        self.seen = 0
        self._dying = False

    def step(self, operation: str, path: Path, size: int) -> int:
        """Called before every operation; returns how many of ``size`` bytes may be written."""
        if self._dying:
            os.kill(os.getpid(), signal.SIGKILL)
        if (operation == DONE) != (self.kind == "lost"):
            return size
        if self.log:
            with open(self.log, "a") as file:  # noqa: PTH123 - before anything of ours is at work
                file.write(f"{operation} {path}\n")
        if self.operation and operation != self.operation:
            return size
        self.seen += 1
        if self.seen != self.at:
            return size
        return self._strike(operation, path, size)

    def _strike(self, operation: str, path: Path, size: int) -> int:
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "lost":
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        if self.kind in ERRORS:
            raise OSError(ERRORS[self.kind], os.strerror(ERRORS[self.kind]), str(path))
        if operation == "write" and self.kind in ("short", "torn"):
            self._dying = self.kind == "torn"
            return max(size // 2, 1)
        return size


_text = os.environ.get("KDPIPE_FAULT", "")
_active = Fault(_text, os.environ.get("KDPIPE_FAULT_LOG", "")) if _text else None


def step(operation: str, path: Path, size: int = 0) -> int:
    """What :mod:`cache.fs` calls before it touches the disk; free of cost when no fault is set."""
    return size if _active is None else _active.step(operation, path, size)
