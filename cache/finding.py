"""What a check of a store finds, and how it looks at a file that may be anything."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    ``what`` says it in words; ``items`` are the ids that it touches; ``repair`` is the command that mends it; ``aside`` is what to put
    into quarantine first. A ``note`` is no damage.
    """

    kind: str
    path: Path
    what: str
    items: tuple[str, ...] = ()
    repair: str = ""
    aside: Path | None = None
    note: bool = False


def irregular(path: Path) -> str:
    """What keeps ``path`` from being a regular file that can be read, or ``""``."""
    try:
        mode = path.lstat().st_mode
    except OSError as error:
        return f"it is not there ({error.strerror})"
    if not stat.S_ISREG(mode):
        return "it is a link or a special file"
    return "" if os.access(path, os.R_OK) else "it cannot be read: check its rights"


def bytes_of(path: Path) -> bytes:
    """What a file holds; nothing if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def words(error: Exception) -> str:
    """What went wrong, for a line of the answer."""
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
