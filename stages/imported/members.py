"""An HDF5 array a video, named by its id, or a group a video with the array in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cache.errors import DataError, some
from cache.hdf5 import UNREADABLE, hdf5_error
from stages.imported.arrays import AGAIN, array_of, check_rows, member
from stages.imported.rows import ARRAYS, LARGEST, FloatArray, Source, float32

MOST_ROWS = 1_000_000


class Members(Source):
    """An array a video, named by its id, or a group of that name that holds it."""

    def __init__(self, path: Path, file: Any, names: dict[str, Any], kind: str, array: str, ids_array: str) -> None:
        self.path, self._file = path, file
        self._names, self._kind, self.array = names, kind, array
        self._inner: dict[str, str] = {}
        self.ids = list(names)
        if len(self.ids) > MOST_ROWS:
            raise DataError(f"{path}: {len(self.ids):,} arrays are more than a dataset has videos")
        try:
            self._first()
            for id in self.ids:
                self._array(id)
        except DataError as error:
            told = f"{path} has {len(self.ids):,} names and no {ids_array!r}, so each would be a video ({some(self.ids)})"
            hint = f"kdpipe reads an array of all rows with the ids beside ({' or '.join(ARRAYS.values())}, ids), or one array a video"
            raise DataError(f"{told}; but {error.message.removeprefix(f'{path}: ')}", hint=f"{error.hint}; {hint}".lstrip("; ")) from error
        self.form = "one array a video" + (f" ({self.array})" if self.array else "")

    def row(self, number: int) -> FloatArray:
        try:
            return float32(self._array(self.ids[number])[()])
        except UNREADABLE as error:
            raise hdf5_error(f"{self.path}: the row of video {self.ids[number]} cannot be read", error, AGAIN) from error

    def arrays(self) -> Iterator[Any]:
        """All that is read of the file."""
        yield from map(self._array, self.ids)

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def _first(self) -> None:
        """Take the first video's array for what all of them are like."""
        import h5py

        name = self.ids[0]
        where = f"{self.path}: {name}"
        found = member(self._file, self._names[name], where)
        if isinstance(found, h5py.Group):
            inside = list(found)
            known = ARRAYS.get(self._kind, "")
            if not self.array:
                self.array = known if known in inside else inside[0] if len(inside) == 1 else ""
            if not self.array or self.array not in inside:
                hint = "name the one that holds the features: --array NAME"
                raise DataError(f"{where} is a group that holds {some(inside) or 'nothing'}", hint=hint)
        elif self.array:
            raise DataError(f"{where} is an array, no group with {self.array!r} in it", hint="leave --array out")
        found = array_of(self._file, self._names[name], where, self.array)
        check_rows(found, where)
        if math.prod(found.shape) * 4 > LARGEST:
            raise DataError(f"{where} takes {math.prod(found.shape) * 4:,} bytes of memory: too much for the features of one video")
        self.shape, self.dtype = tuple(found.shape), str(found.dtype)

    def _array(self, id: str) -> Any:
        found = array_of(self._file, self._names[id], f"{self.path}: {id}", self.array)
        if tuple(found.shape) != self.shape or str(found.dtype) != self.dtype:
            told = f"{id} is {found.dtype} {list(found.shape)}, {self.ids[0]} is {self.dtype} {list(self.shape)}"
            raise DataError(f"{self.path}: {told}", hint="all rows must be alike, with the same number of clips")
        return found
