"""Arrays of an HDF5 file that nobody trusts: only what lies in that very file, was written, and holds floating-point numbers."""

from __future__ import annotations

from typing import Any

from cache.errors import DataError

AGAIN = "copy or make the file again"


def member(group: Any, name: Any, where: str) -> Any:
    """What lies under a name, in this file."""
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise DataError(f"{where} is a link to something else", hint="copy what it names into one file: h5repack, h5copy")
    return group[name]


def array_of(file: Any, name: Any, where: str, inner: str = "") -> Any:
    """An array whose bytes lie in this file; ``inner``: its name in the group ``name``."""
    import h5py

    found = member(file, name, where)
    if inner:
        if not isinstance(found, h5py.Group) or inner not in found:
            raise DataError(f"{where} has no array {inner!r} in it")
        found = member(found, inner, f"{where}/{inner}")
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"{where} is a group, no array")
    if found.shape is None:
        raise DataError(f"{where} is empty: it has no shape")
    if found.external or found.is_virtual:
        raise DataError(f"{where} lies in another file", hint="copy it into one file: h5repack")
    if found.size and not found.id.get_storage_size():
        raise DataError(f"{where} was never written", hint="the extraction was stopped: make the file again")
    return found


def check_rows(rows: Any, where: str) -> None:
    """Raise DataError if an array is no features."""
    if rows.dtype.kind != "f":
        raise DataError(f"{where} is {rows.dtype}, not floating-point numbers")
    if not rows.ndim or 0 in rows.shape:
        raise DataError(f"{where} has the shape {list(rows.shape)}: no row of features")
