"""Features that somebody else wrote: an HDF5 file, or a directory of ``<id>.npy``; pictures, a directory of them for each video.

Nothing here trusts the file: what lies in another file, was cut short, was never written or holds no floating-point numbers is refused
by name. Rows are read one by one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy.typing as npt

from cache.digest import CHUNK, digest_listing
from cache.errors import DataError
from cache.given import plain_file
from cache.npy import open_npy
from stages.imported.hdf5 import open_hdf5
from stages.imported.kinds import IMPORTABLE
from stages.imported.pictures import Pictures
from stages.imported.rows import Bars, FloatArray, Source, float32


def open_source(path: Path, kind: str = "", array: str = "", ids_array: str = "ids") -> Source:
    """Open a feature file or tree. Without ``array``, the published name of ``kind`` is taken, or the only array there is.

    Raises DataError that names the file, and what there is instead, if it holds no features.
    """
    if path.is_dir():
        return Pictures(path) if kind and not IMPORTABLE[kind].array else Tree(path)
    plain_file(path, f"feature file {path}")
    return open_hdf5(path, kind, array, ids_array)


class Tree(Source):
    """A directory of ``<id>.npy``, each the row of a video; folders are part of the id."""

    def __init__(self, path: Path) -> None:
        self.path, self.form, self.array = path, "npy files", ""
        self._files = {file.relative_to(path).with_suffix("").as_posix(): file for file in tree_files(path)}
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
        found = open_npy(file, hint="copy it again")
        if not found.ndim:
            raise DataError(f"{file} holds one number, not the features of a video")
        return found


def tree_files(path: Path, pattern: str = "*.npy") -> list[Path]:
    """The files of a pattern under a directory, sorted."""
    return sorted(file for file in path.rglob(pattern) if file.is_file())


def digest(path: Path, bars: Bars, kind: str = "appearance") -> str:
    """sha256 of a file, or of the listing of a tree."""
    files = tree_files(path, IMPORTABLE[kind].pattern) if path.is_dir() else [path]
    with bars("read", total=sum(file.stat().st_size for file in files) >> 20, unit="MB") as bar:
        found = {file.relative_to(path).as_posix(): _digest(file, bar) for file in files}
    return digest_listing(found) if path.is_dir() else next(iter(found.values()))


def signature(path: Path, kind: str = "appearance") -> list[tuple[str, int, int, int]]:
    """What changes when somebody writes to the file or the tree."""
    files = tree_files(path, IMPORTABLE[kind].pattern) if path.is_dir() else [path]
    return [(str(file), stat.st_size, stat.st_mtime_ns, stat.st_ino) for file in files for stat in [file.stat()]]


def _digest(path: Path, bar: Any) -> str:
    found, read = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            bar.step((read + len(chunk) >> 20) - (read >> 20))
            read += len(chunk)
    return found.hexdigest()
