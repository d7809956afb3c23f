"""Names that people choose, as names of files: any text goes in, the same text comes out, and never a path.

Lower-case letters, digits, ``.``, ``_`` and ``-`` stand for themselves (not at the beginning: no hidden files, no options); every other
byte of the utf-8 form is ``%XX``. Upper case is escaped too, so that twins that differ in case, or in Unicode form, stay two files
on file systems that fold names. A name that would get too long for a file system ends in the digest of the whole.
"""

from __future__ import annotations

import hashlib
import string

PLAIN = frozenset(string.ascii_lowercase + string.digits + "._-")
#: File systems allow 255 bytes; temporary names need some of them.
LONGEST = 180


def escape(name: str) -> str:
    """``"../A"`` -> ``"%2E.%2F%41"``. An empty name is refused with ValueError."""
    if not name:
        raise ValueError("a name must not be empty")
    data = name.encode("utf-8", "surrogatepass")
    escaped = "".join(
        character if (character := chr(byte)) in PLAIN and not (n == 0 and character in ".-") else f"%{byte:02X}"
        for n, byte in enumerate(data)
    )
    if len(escaped) <= LONGEST:
        return escaped
    return f"{escaped[: LONGEST - 66].rpartition('%')[0] or escaped[: LONGEST - 66]}%%{hashlib.sha256(data).hexdigest()}"


def unescape(escaped: str) -> str | None:
    """The name that :func:`escape` was given, or None if it was shortened (its file holds it then) or is no escaped name."""
    data = bytearray()
    position = 0
    while position < len(escaped):
        character = escaped[position]
        if character == "%":
            digits = escaped[position + 1 : position + 3]
            if len(digits) < 2 or not all(d in "0123456789ABCDEF" for d in digits):
                return None
            data.append(int(digits, 16))
            position += 3
        elif character in PLAIN:
            data.append(ord(character))
            position += 1
        else:
            return None
    try:
        name = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None
    return name if name and escape(name) == escaped else None
