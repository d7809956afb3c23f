"""Bytecode that no longer belongs to its text.

Python keeps compiled modules in ``__pycache__`` and trusts them while the text has the same size and the same modification time,
in whole seconds. An edit that leaves both (``4`` becomes ``5`` within a second; a copy that keeps time stamps) would run the old
code under the key of the new one. So where a text is new, or so young that its stamp proves nothing, the bytecode is compared with
what the text compiles to, and removed if it is another program.
"""

from __future__ import annotations

import importlib.util
import marshal
import sys
from pathlib import Path

from cache.errors import StoreError

#: Seconds between two writes that time stamps of files may not tell apart: bytecode that is older than its text, or about as old,
#: may have been made of the text before.
RACY = 0.05
HEADER = 16

#: Inode, size, times of change of content and of anything, in nanoseconds.
Stamp = tuple[int, int, int, int]
#: Of a text and of its bytecode; None of what is not there.
Stamps = tuple[Stamp | None, Stamp | None]


def stamps(path: Path) -> Stamps:
    """Those of the text at ``path`` and of its bytecode."""
    return _stamp(path), _stamp(Path(importlib.util.cache_from_source(str(path))))


def is_settled(text: Stamp | None, bytecode: Stamp | None) -> bool:
    """Whether the bytecode was written after the last change of any kind to the file of the text; so a copy that keeps its time counts."""
    return bytecode is None or (text is not None and bytecode[2] - RACY * 1e9 >= text[3])


def _stamp(path: Path) -> Stamp | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def drop_stale(name: str, path: Path, text: bytes, *, is_new: bool) -> None:
    """Remove the bytecode of module ``name``, if Python would trust it and it is not that of ``text``.

    ``is_new`` says that this text was never seen before. Raises StoreError if this process has run the old code already.
    """
    cached = Path(importlib.util.cache_from_source(str(path)))
    try:
        with cached.open("rb") as file:
            header = file.read(HEADER)
            stat = path.stat()
            young = stat.st_mtime > cached.stat().st_mtime - RACY
            if not (is_new or young) or not _trusted(header, int(stat.st_mtime), stat.st_size):
                return
            found = marshal.loads(file.read())
    except (OSError, ValueError, EOFError, TypeError):
        return  # there is none that Python could load
    if found == compile(text, str(path), "exec", dont_inherit=True):
        return
    try:
        cached.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{cached} belongs to an older text of {name} and cannot be removed: {error.strerror}") from error
    loaded = sys.modules.get(name)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        raise StoreError(f"{name} was loaded from the bytecode of an older text, which is now removed", hint="run it again")


def _trusted(header: bytes, modified: int, size: int) -> bool:
    """Whether Python would load bytecode with this header for a text of this time and size, without looking at the text."""
    magic, flags = header[:4], int.from_bytes(header[4:8], "little")
    if magic != importlib.util.MAGIC_NUMBER or flags & 0b11 == 0b11:
        return False  # of another Python; or checked against the text
    stamps = (modified & 0xFFFFFFFF, size & 0xFFFFFFFF)
    return bool(flags & 0b1) or (int.from_bytes(header[8:12], "little"), int.from_bytes(header[12:16], "little")) == stamps
