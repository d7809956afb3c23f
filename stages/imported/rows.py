"""Rows of somebody else's features, whatever they are stored in: what a source of them offers, and which shapes a row can have."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.imported.kinds import IMPORTABLE

FloatArray = npt.NDArray[np.float32]
Bars = Callable[..., Any]

#: kind of features -> name of their array in published files
ARRAYS = {kind.name: kind.array for kind in IMPORTABLE.values() if kind.array}
#: More bytes than this at once are no row of features; they are held twice, as stored and as float32.
LARGEST = 1 << 28


class Source(AbstractContextManager["Source"]):
    """Rows of features and their ids. ``shape`` is that of one row as stored; ``in_any_order``: a row costs what a row is.

    ``form``: how they are stored, in words. ``array``: the name that says which array of the file was taken, "" if none does.
    """

    path: Path
    form: str
    array: str
    ids: list[str]
    shape: tuple[int, ...]
    dtype: str
    in_any_order = True

    @abstractmethod
    def row(self, number: int) -> FloatArray:
        """One row, float32 of :attr:`shape`. Raises DataError naming its id if it cannot be read."""

    def unpack(self, target: Path, bars: Bars) -> None:
        """Write all rows as raw float32 to ``target``, in their order; for a source that is not read in any order."""
        raise TypeError(f"{self.path} is read in any order: there is nothing to unpack")

    def __exit__(self, *exc: object) -> None:
        return None


class Unpacked:
    """Raw float32 rows, as :meth:`Source.unpack` wrote them."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape, self._size = path, shape, math.prod(shape)

    def row(self, number: int) -> FloatArray:
        """One row."""
        return np.fromfile(self.path, np.float32, self._size, offset=4 * self._size * number).reshape(self.shape)


def float32(values: npt.NDArray[Any]) -> FloatArray:
    """The values as float32 in this machine's byte order; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def restored(kind: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of a row of ``kind``; a lost axis of C = 1 is put back, and where there are no clips it is taken off. None if it cannot be
    one."""
    axes = IMPORTABLE[kind].axes
    if len(shape) == len(axes):
        return shape
    if axes[0] != "clips":
        return shape[1:] if len(shape) == len(axes) + 1 and shape[0] == 1 else None
    return (1, *shape) if len(shape) == len(axes) - 1 else None
