"""Pickles of plain containers, numbers, texts and numpy arrays, read without running anything that they name.

A pickle is a program: it may name any function and call it. Here the few names that numpy's arrays need stand for harmless doubles,
which only note what they are given; every other name is refused. Arrays are made of the notes afterwards, by :func:`array`.
"""

from __future__ import annotations

import io
import pickle
import re
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from cache.errors import DataError
from cache.given import plain_file

#: the largest file that is read, in bytes: Kinetics' skeletons are the largest published
LARGEST = 32 << 30
#: types of arrays: sort and bytes of a number
TYPES = re.compile(r"[<>|=]?[biuf][1248]|\?")
#: what the readers of pickles raise on files that are none, or damaged
UNREADABLE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    MemoryError,
    OverflowError,
    RecursionError,
)


class Refused(pickle.UnpicklingError):
    """A pickle names something that is not plain data."""


@dataclass
class _Type:
    """Stands for numpy's dtype."""

    code: str = ""
    order: str = "|"

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) >= 5 else None
        if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise Refused("an array whose numbers are not plain")
        self.order = order

    def dtype(self) -> np.dtype[Any]:
        plain = np.dtype(self.code)
        return plain.newbyteorder(self.order) if self.order in ("<", ">") else plain


@dataclass
class Noted:
    """Stands for an array: its type, shape and bytes, as the pickle has them."""

    kind: _Type | None = None
    shape: tuple[int, ...] = ()
    data: bytes = field(default=b"", repr=False)
    fortran: bool = False

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused("an array in an unknown form")
        _, shape, kind, fortran, data = state
        self.__dict__.update(vars(_noted(data, kind, shape, bool(fortran))))


def _noted(data: Any, kind: Any, shape: Any, fortran: bool) -> Noted:
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(kind, _Type) or not isinstance(data, bytes | bytearray):
        raise Refused("an array of objects")
    if not isinstance(sizes, tuple) or not all(type(n) is int and n >= 0 for n in sizes):
        raise Refused("an array without a shape")
    return Noted(kind, sizes, bytes(data), fortran)


def _dtype(code: Any, *_: Any) -> _Type:
    if not isinstance(code, str) or not TYPES.fullmatch(code):
        raise Refused(f"an array of {str(code)[:40]!r}")
    return _Type(code)


def _reconstruct(*_: Any) -> Noted:
    return Noted()


def _frombuffer(data: Any, kind: Any, shape: Any, order: Any, *_: Any) -> Noted:
    return _noted(data, kind, shape, order == "F")


def _scalar(kind: Any, data: Any = b"") -> Any:
    value = array(_noted(data, kind, (), False))
    return value.item()


def _encode(text: Any, encoding: Any = "", *_: Any) -> bytes:
    """How pickles of Python 2 hold bytes."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Refused("bytes in an unknown form")
    return text.encode("latin-1")


#: what an array's pickle names -> what stands for it; numpy 2 has moved its parts
NDARRAY = "numpy.ndarray"
DOUBLES: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): NDARRAY,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in DOUBLES:
            raise Refused(f"{module}.{name}")
        return DOUBLES[module, name]

    def persistent_load(self, pid: Any) -> NoReturn:
        raise Refused("an object that lies elsewhere")


def read(path: Path) -> Any:
    """The value of a pickle: dicts, lists, tuples, sets, numbers, texts, bytes, and :class:`Noted` where an array was.

    Raises DataError naming the file, and what it wants to make if that is anything else.
    """
    plain_file(path, most=LARGEST)
    with path.open("rb") as file:
        return _read(file, str(path))


def reads(data: bytes, name: str = "the pickle") -> Any:
    """The same of bytes; errors call them ``name``."""
    return _read(io.BytesIO(data), name)


def _read(file: Any, name: str) -> Any:
    try:
        return _Plain(file).load()
    except Refused as error:
        raise DataError(
            f"{name} is not plain data alone: it holds {error}", hint="only containers, numbers, texts and numpy arrays are read"
        ) from error
    except UNREADABLE as error:
        raise DataError(
            f"{name} is no pickle that can be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error


def array(noted: Any) -> npt.NDArray[Any]:
    """The array that was noted. Raises ValueError if ``noted`` is none, or its bytes are not what its shape says."""
    if not isinstance(noted, Noted) or noted.kind is None:
        raise ValueError("not an array")
    kind = noted.kind.dtype()
    if len(noted.data) != prod(noted.shape) * kind.itemsize:
        raise ValueError(f"{len(noted.data)} bytes for an array of {list(noted.shape)}")
    return np.frombuffer(noted.data, kind).reshape(noted.shape, order="F" if noted.fortran else "C")
