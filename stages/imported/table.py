"""One HDF5 array of rows, ``(N, ...)``, and their ids beside, ``(N,)``: what HCRN, DualVGR and MKD write."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cache.errors import DataError, nearest, some
from cache.hdf5 import UNREADABLE, hdf5_error
from stages.imported.arrays import AGAIN, array_of, check_rows
from stages.imported.rows import ARRAYS, LARGEST, Bars, FloatArray, Source, float32

MOST_ROWS = 20_000_000
#: Bytes of all ids, and of one.
LARGEST_IDS, LONGEST_ID = 1 << 28, 4096


class Table(Source):
    """One array of rows and their ids, in any order, contiguous or chunked, compressed or not."""

    def __init__(self, path: Path, file: Any, names: dict[str, Any], kind: str, array: str, ids_array: str) -> None:
        self.path, self._file, self._names = path, file, names
        self.array = array or self._find(kind, ids_array)
        self.form = self.array
        self._rows = self._dataset(self.array)
        self._ids = self._dataset(ids_array)
        self.ids = _texts(self._ids, path)
        check_rows(self._rows, f"{path}: {self.array}")
        rows = self._rows
        if rows.ndim < 2:
            raise DataError(f"{path}: {self.array} has the shape {list(rows.shape)}: no row of features")
        if rows.shape[0] != len(self.ids):
            raise DataError(f"{path}: {rows.shape[0]} rows, but {len(self.ids)} ids", hint="the file is not complete: make it again")
        at_once = math.prod(rows.chunks or rows.shape[1:]) * rows.dtype.itemsize
        if max(at_once, math.prod(rows.shape[1:]) * 4) > LARGEST:
            raise DataError(f"{path}: reading one row takes {at_once:,} bytes of memory", hint="h5repack -l CONTI makes it readable")
        self.shape = tuple(rows.shape[1:])
        self.dtype = str(rows.dtype)
        self.in_any_order = rows.chunks is None or rows.chunks[0] == 1

    def row(self, number: int) -> FloatArray:
        try:
            return float32(self._rows[number])
        except UNREADABLE as error:
            raise hdf5_error(f"{self.path}: the row of video {self.ids[number]} cannot be read", error, AGAIN) from error

    def unpack(self, target: Path, bars: Bars) -> None:
        """Each chunk is read once, whatever rows it holds."""
        import numpy as np

        rows = self._rows
        with target.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, rows.size * 4)  # a full disk is an error here, not a crash later
        total = math.prod(-(-size // chunk) for size, chunk in zip(rows.shape, rows.chunks))
        with bars("unpack", total=total, unit="chunk") as bar:
            for part in rows.iter_chunks():
                try:
                    values = float32(rows[part])
                except UNREADABLE as error:
                    first, last = self.ids[part[0].start], self.ids[part[0].stop - 1]
                    raise hdf5_error(f"{self.path}: the rows of videos {first} to {last} cannot be read", error, AGAIN) from error
                np.memmap(target, np.float32, "r+", shape=rows.shape)[part] = values  # mapped anew each time: memory stays small
                bar.step()

    def arrays(self) -> Iterator[Any]:
        """All that is read of the file."""
        yield from (self._rows, self._ids)

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def _find(self, kind: str, ids_array: str) -> str:
        names = [name for name in self._names if name != ids_array]
        if kind and ARRAYS[kind] in names:
            return ARRAYS[kind]
        known = [name for name in ARRAYS.values() if name in names]
        if len(known) == 1 and not kind:
            return known[0]
        if len(names) == 1:
            return str(names[0])
        what = f"several arrays ({some(names)})" if names else f"only {some(self._names)}" if self._names else "nothing"
        raise DataError(f"{self.path} holds {what}", hint="name the one that holds the features: --array NAME (and --ids-array NAME)")

    def _dataset(self, name: str) -> Any:
        if name not in self._names:
            near = nearest(name, self._names)
            told = near if near.startswith("did") else f"it holds {some(self._names) or 'nothing'}"
            raise DataError(f"{self.path} has no array {name!r}", hint=f"{told}; --array NAME, --ids-array NAME")
        return array_of(self._file, self._names[name], f"{self.path}: {name}")


def _texts(ids: Any, path: Path) -> list[str]:
    """Ids as text, whatever integers or strings they are stored as."""
    import h5py

    if ids.ndim == 2 and ids.shape[1] == 1:
        size, values = ids.shape[0], lambda: ids[:, 0]
    elif ids.ndim == 1:
        size, values = ids.shape[0], lambda: ids[:]
    else:
        raise DataError(f"{path}: the ids have the shape {list(ids.shape)}, expected one a row")
    if size > MOST_ROWS or size * ids.dtype.itemsize > LARGEST_IDS:
        raise DataError(f"{path}: {size:,} ids are more than a dataset has videos")
    if ids.dtype.kind not in "iuSO" or ids.dtype.itemsize > LONGEST_ID:
        raise DataError(f"{path}: the ids are {ids.dtype}, expected integers or text")
    if ids.dtype.kind == "O" and h5py.check_string_dtype(ids.dtype) is None:
        raise DataError(f"{path}: the ids are neither integers nor text")
    try:
        return [id.decode("utf-8") if isinstance(id, bytes) else str(id) for id in values().tolist()]
    except UNREADABLE as error:
        raise hdf5_error(f"{path}: the ids cannot be read", error) from error
