"""npy files from elsewhere: numbers only, no larger than their file, mapped and not read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

from cache.errors import DataError
from cache.given import plain_file

if TYPE_CHECKING:
    import numpy.typing as npt

#: Bytes of the largest array that is taken to be read as a whole.
LARGEST = 1 << 28
MAGIC = b"\x93NUMPY"
#: What numpy raises on headers that are damaged or mean harm.
UNREADABLE = (OSError, EOFError, ValueError, TypeError, ArithmeticError, LookupError, SyntaxError, TokenError, MemoryError, RecursionError)


@dataclass(frozen=True)
class Form:
    """What an array has to be: its type (``"uint8"``), and the length of each axis, None for any."""

    dtype: str
    shape: tuple[int | None, ...]

    def fits(self, found: npt.NDArray[Any]) -> bool:
        """Whether ``found`` is such an array."""
        axes = zip(self.shape, found.shape, strict=False)
        return str(found.dtype) == self.dtype and found.ndim == len(self.shape) and all(want in (None, have) for want, have in axes)

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('any' if length is None else str(length) for length in self.shape)}]"


def open_npy(path: Path, name: str = "", *, form: Form | None = None, hint: str = "") -> npt.NDArray[Any]:
    """The array of an npy file, mapped for reading: one of ``form``, or floating-point numbers that are read as a whole.

    Nothing is unpickled, and no memory is asked for that the header alone promises. Raises DataError, with ``name`` for the file, if it
    is not there, no npy file, cut short, empty, too large to be read as a whole, or holds something else.
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
    if not found.size or not (form.fits(found) if form else found.dtype.kind == "f"):
        wanted = form or "floating-point numbers"
        raise DataError(f"{name} does not hold an array of {wanted}, but {found.dtype} {list(found.shape)}", hint=hint)
    if not form and found.nbytes > LARGEST:
        raise DataError(f"{name} is {found.nbytes:,} bytes large: at most {LARGEST:,} are read", hint=hint)
    return found
