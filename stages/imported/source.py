"""Features that somebody else wrote: an HDF5 file of the community's layout, or a directory of ``<id>.npy``.

Nothing here trusts the file: what lies in another file, was cut short, was never written or holds no floating-point numbers is refused
by name. Rows are read one by one; h5py is imported only when used.
"""

from __future__ import annotations

import hashlib
import math
import os
from abc import abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.digest import CHUNK, digest_listing
from cache.errors import DataError, nearest

FloatArray = npt.NDArray[np.float32]
Bars = Callable[..., Any]

#: kind of features -> name of their array in published files
ARRAYS = {"appearance": "resnet_features", "motion": "resnext_features"}
#: kind -> axes of a row: (C, F, V) and (C, V)
AXES = {"appearance": 3, "motion": 2}
#: More than this at once is no feature file; it would not fit the memory either.
LARGEST = 1 << 30
MOST_ROWS = 20_000_000


class Source(AbstractContextManager["Source"]):
    """Rows of features and their ids. ``shape`` is that of one row as stored; ``in_any_order``: a row costs what a row is."""

    path: Path
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


def open_source(path: Path, kind: str = "", array: str = "", ids_array: str = "ids") -> Source:
    """Open a feature file or tree. Without ``array``, the published name of ``kind`` is taken, or the only array there is."""
    if path.is_dir():
        return Tree(path)
    if not path.is_file():
        raise DataError(f"there is no feature file {path}")
    return Hdf5(path, kind, array, ids_array)


class Hdf5(Source):
    """A feature file: one array of rows and their ids, in any order, contiguous or chunked, compressed or not."""

    def __init__(self, path: Path, kind: str, array: str, ids_array: str) -> None:
        import h5py

        self.path = path
        try:
            self._file = h5py.File(path, "r")
        except OSError as error:
            raise DataError(f"{path} is no HDF5 file, or is cut short: {error}", hint="copy it again") from error
        try:
            self.array = array or self._find(kind, ids_array)
            self._rows = self._dataset(self.array)
            self.ids = _texts(self._dataset(ids_array), path)
            self._check()
        except BaseException:
            self._file.close()
            raise
        self.shape = tuple(self._rows.shape[1:])
        self.dtype = str(self._rows.dtype)
        self.in_any_order = self._rows.chunks is None or self._rows.chunks[0] == 1

    def row(self, number: int) -> FloatArray:
        try:
            return float32(self._rows[number])
        except (OSError, RuntimeError) as error:
            raise DataError(
                f"{self.path}: the row of video {self.ids[number]} cannot be read: {error}", hint="copy or make the file again"
            ) from error

    def unpack(self, target: Path, bars: Bars) -> None:
        """Each chunk is read once, whatever rows it holds."""
        rows = self._rows
        with target.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, rows.size * 4)  # a full disk is an error here, not a crash later
        total = math.prod(-(-size // chunk) for size, chunk in zip(rows.shape, rows.chunks))
        with bars("unpack", total=total, unit="chunk") as bar:
            for part in rows.iter_chunks():
                try:
                    values = float32(rows[part])
                except (OSError, RuntimeError) as error:
                    first, last = self.ids[part[0].start], self.ids[part[0].stop - 1]
                    raise DataError(
                        f"{self.path}: the rows of videos {first} to {last} cannot be read: {error}", hint="copy or make the file again"
                    ) from error
                np.memmap(target, np.float32, "r+", shape=rows.shape)[part] = values  # mapped anew each time: memory stays small
                bar.step()

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def _find(self, kind: str, ids_array: str) -> str:
        names = [name for name in self._file if name != ids_array]
        if kind and ARRAYS[kind] in names:
            return ARRAYS[kind]
        known = [name for name in ARRAYS.values() if name in names]
        if len(known) == 1 and not kind:
            return known[0]
        if len(names) == 1:
            return str(names[0])
        what = f"several arrays ({', '.join(names)})" if names else f"only {', '.join(self._file) or 'nothing'}"
        raise DataError(f"{self.path} holds {what}", hint="name the one that holds the features: --array NAME (and --ids-array NAME)")

    def _dataset(self, name: str) -> Any:
        """An array that lies in this file."""
        import h5py

        if "/" in name or name not in self._file:
            raise DataError(f"{self.path} has no array {name!r}", hint=nearest(name, list(self._file)))
        if not isinstance(self._file.get(name, getlink=True), h5py.HardLink):
            raise DataError(f"{self.path}: {name} is a link to something else", hint="copy what it names into one file: h5repack, h5copy")
        found = self._file[name]
        if not isinstance(found, h5py.Dataset):
            raise DataError(f"{self.path}: {name} is a group, no array")
        if found.external or found.is_virtual:
            raise DataError(f"{self.path}: {name} lies in another file", hint="copy it into one file: h5repack")
        if found.size and not found.id.get_storage_size():
            raise DataError(f"{self.path}: {name} was never written", hint="the extraction was stopped: make the file again")
        return found

    def _check(self) -> None:
        rows = self._rows
        if rows.dtype.kind != "f":
            raise DataError(f"{self.path}: {self.array} is {rows.dtype}, not floating-point numbers")
        if rows.ndim < 2 or 0 in rows.shape:
            raise DataError(f"{self.path}: {self.array} has the shape {list(rows.shape)}: no row of features")
        if rows.shape[0] != len(self.ids):
            raise DataError(f"{self.path}: {rows.shape[0]} rows, but {len(self.ids)} ids", hint="the file is not complete: make it again")
        at_once = math.prod(rows.chunks or rows.shape[1:]) * rows.dtype.itemsize
        if max(at_once, math.prod(rows.shape[1:]) * 4) > LARGEST:
            raise DataError(f"{self.path}: reading one row takes {at_once:,} bytes of memory", hint="h5repack -l CONTI makes it readable")


class Tree(Source):
    """A directory of ``<id>.npy``, each the row of a video; folders are part of the id."""

    def __init__(self, path: Path) -> None:
        self.path, self.array = path, ""
        self._files = {file.relative_to(path).with_suffix("").as_posix(): file for file in npy_files(path)}
        if not self._files:
            raise DataError(f"{path} holds no .npy file", hint="expected <id>.npy, one a video")
        self.ids = list(self._files)
        first = self._open(self.ids[0])
        self.shape, self.dtype = tuple(first.shape), str(first.dtype)

    def row(self, number: int) -> FloatArray:
        found = self._open(self.ids[number])
        if tuple(found.shape) != self.shape:
            file = self._files[self.ids[number]]
            raise DataError(
                f"{file} has the shape {list(found.shape)}, {self.ids[0]}.npy has {list(self.shape)}", hint="all rows must be alike"
            )
        return float32(found)

    def _open(self, id: str) -> npt.NDArray[Any]:
        file = self._files[id]
        try:
            found = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{file} is no npy file of numbers, or is cut short: {error}", hint="copy it again") from error
        if not isinstance(found, np.ndarray) or found.dtype.kind != "f" or not found.size or not found.ndim:
            raise DataError(f"{file} does not hold an array of floating-point numbers")
        if found.nbytes > LARGEST:
            raise DataError(f"{file} is {found.nbytes:,} bytes large: too much for the features of one video")
        return found


class Unpacked:
    """Raw float32 rows, as :meth:`Source.unpack` wrote them."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape, self._size = path, shape, math.prod(shape)

    def row(self, number: int) -> FloatArray:
        """One row."""
        return np.fromfile(self.path, np.float32, self._size, offset=4 * self._size * number).reshape(self.shape)


def npy_files(path: Path) -> list[Path]:
    """The npy files under a directory, sorted."""
    return sorted(file for file in path.rglob("*.npy") if file.is_file())


def float32(values: npt.NDArray[Any]) -> FloatArray:
    """The values as float32 in this machine's byte order; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, dtype=np.float32)


def restored(kind: str, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape of a row of ``kind``; a lost axis of C = 1 is put back. None if it cannot be one."""
    if len(shape) == AXES[kind]:
        return shape
    return (1, *shape) if len(shape) == AXES[kind] - 1 else None


def digest(path: Path, bars: Bars) -> str:
    """sha256 of a file, or of the listing of a tree."""
    files = npy_files(path) if path.is_dir() else [path]
    with bars("read", total=sum(file.stat().st_size for file in files) >> 20, unit="MB") as bar:
        found = {file.relative_to(path).as_posix(): _digest(file, bar) for file in files}
    return digest_listing(found) if path.is_dir() else next(iter(found.values()))


def signature(path: Path) -> list[tuple[str, int, int, int]]:
    """What changes when somebody writes to the file or the tree."""
    files = npy_files(path) if path.is_dir() else [path]
    return [(str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino) for file in files for stat in [file.stat()]]


def _digest(path: Path, bar: Any) -> str:
    found, read = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            bar.step((read + len(chunk) >> 20) - (read >> 20))
            read += len(chunk)
    return found.hexdigest()


def _texts(ids: Any, path: Path) -> list[str]:
    """Ids as text, whatever integers or strings they are stored as."""
    if ids.ndim == 2 and ids.shape[1] == 1:
        size, values = ids.shape[0], lambda: ids[:, 0]
    elif ids.ndim == 1:
        size, values = ids.shape[0], lambda: ids[:]
    else:
        raise DataError(f"{path}: the ids have the shape {list(ids.shape)}, expected one a row")
    if size > MOST_ROWS or size * ids.dtype.itemsize > LARGEST:
        raise DataError(f"{path}: {size:,} ids are more than a dataset has videos")
    if ids.dtype.kind not in "iuSO":
        raise DataError(f"{path}: the ids are {ids.dtype}, expected integers or text")
    try:
        return [id.decode("utf-8") if isinstance(id, bytes) else str(id) for id in values().tolist()]
    except (UnicodeDecodeError, OSError, RuntimeError) as error:
        raise DataError(f"{path}: the ids cannot be read: {error}") from error
