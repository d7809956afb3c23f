"""npy files from elsewhere: numbers only, no larger than their file, mapped and not read."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

from cache.errors import DataError
from cache.given import plain_file

if TYPE_CHECKING:
    import numpy.typing as npt

#: Bytes of the largest array that is taken: it is read as a whole later.
LARGEST = 1 << 28
MAGIC = b"\x93NUMPY"
#: What numpy raises on headers that are damaged or mean harm.
UNREADABLE = (OSError, EOFError, ValueError, TypeError, ArithmeticError, LookupError, SyntaxError, TokenError, MemoryError, RecursionError)


def open_npy(path: Path, name: str = "", *, hint: str = "") -> npt.NDArray[Any]:
    """The array of an npy file, mapped for reading.

    Nothing is unpickled, and no memory is asked for that the header alone promises. Raises DataError, with ``name`` for the file, if it
    is not there, no npy file, cut short, empty, too large, or holds something else.
    """
    import numpy as np  # only here: whoever looks for files alone stays light

    name = name or str(path)
    plain_file(path, name, hint=hint)
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it does not begin as one")
        found: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DataError(f"{name} is no npy file of numbers, or is cut short: {why}", hint=hint) from error
    if found.dtype.kind != "f" or not found.size:
        raise DataError(f"{name} does not hold an array of floating-point numbers, but {found.dtype} {list(found.shape)}", hint=hint)
    if found.nbytes > LARGEST:
        raise DataError(f"{name} is {found.nbytes:,} bytes large: at most {LARGEST:,} are read", hint=hint)
    return found
