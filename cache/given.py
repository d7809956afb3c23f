"""Files that somebody gives us: read only where they are plain files of a bearable size.

A pipe waits for ever, a device never ends, and what is read whole must fit the memory. Every error names the file.
"""

from __future__ import annotations

import stat
from pathlib import Path

from cache.errors import DataError

#: The largest text that is read whole. Published annotations have up to 20 MB.
TEXT_BYTES = 128 << 20
KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def plain_file(path: Path, name: str = "", *, most: int = 0, hint: str = "") -> int:
    """The size in bytes of a plain file; ``name`` is what errors call it, if not by its path.

    Raises DataError if it is not there, is something else, or is larger than ``most`` bytes (0: any size).
    """
    name = name or str(path)
    try:
        found = path.stat()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise DataError(f"{name} cannot be read: {_why(error)}", hint=hint) from error
    if not stat.S_ISREG(found.st_mode):
        what = next((what for is_one, what in KINDS if is_one(found.st_mode)), "something else")
        raise DataError(f"{name} is {what}, not a file", hint=hint)
    if most and found.st_size > most:
        raise DataError(f"{name} is too large: {found.st_size:,} bytes, at most {most:,} are read", hint=hint)
    return found.st_size


def read_bytes(path: Path, name: str = "", *, most: int = TEXT_BYTES, hint: str = "") -> bytes:
    """The bytes of a plain file of at most ``most`` bytes. Raises DataError as :func:`plain_file`, and if it cannot be read."""
    plain_file(path, name, most=most, hint=hint)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{name or path} cannot be read: {_why(error)}", hint=hint) from error


def read_text(path: Path, name: str = "", *, most: int = TEXT_BYTES, hint: str = "") -> str:
    """The text of a plain file in UTF-8, a byte order mark left out. Raises DataError as :func:`read_bytes`, and for other encodings."""
    data = read_bytes(path, name, most=most, hint=hint)
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise DataError(f"{name or path}, byte {error.start}: not UTF-8 text" + (", but UTF-16" if wide else ""), hint=hint) from error


def _why(error: OSError | ValueError) -> str:
    return str(getattr(error, "strerror", None) or error)
