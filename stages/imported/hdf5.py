"""HDF5 files of features: one array of rows with their ids beside, or one array a video.

    resnet_features (N, ...), ids (N,)        :mod:`stages.imported.table`
    <id> (...), or <id>/<array> (...)         :mod:`stages.imported.members`

Damaged files can crash the HDF5 library, or keep it busy for ever. So a file is looked through in a process of its own first, with
limits of time and memory; only one that it stood without an error is opened here. h5py is imported only when used.
"""

from __future__ import annotations

import math
import os
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cache.errors import DataError
from cache.hdf5 import UNREADABLE, hdf5_error
from formats.text_file import HEAD, kind_of
from media.workers import run_killable
from stages.imported.arrays import AGAIN
from stages.imported.members import Members
from stages.imported.rows import ARRAYS, Source
from stages.imported.table import Table

#: What looking through a file may take: memory beyond the interpreter's, and time of the processor.
MEMORY = 1 << 30
#: A larger file has more time: an array of a kilobyte takes most of a millisecond to look at, and there may be a hundred thousand.
SECONDS, BYTES_PER_SECOND, MOST_SECONDS = 20, 1_000_000, 900


@dataclass(frozen=True)
class Asked:
    """A file, and the names of its arrays as the user gave them."""

    path: Path
    kind: str
    array: str
    ids_array: str


def open_hdf5(path: Path, kind: str = "", array: str = "", ids_array: str = "ids") -> Source:
    """Open a feature file. Raises DataError if it is none, is damaged, or its arrays cannot be told apart."""
    asked = Asked(path, kind, array, ids_array)
    done = next(run_killable(look_through, [(str(path), asked)], workers=1, timeout=0))
    if done.state != "done":
        raise DataError(f"{path} is damaged: the HDF5 library fails on it ({done.reason})", hint=AGAIN)
    if done.value is not None:
        message, hint = done.value
        raise DataError(message, hint=hint)
    return opened(asked)


def look_through(asked: Asked) -> tuple[str, str] | None:
    """Open a file and visit all that would be read but the numbers; returns message and hint of the error, if there is one."""
    _limit(asked.path.stat().st_size)
    try:
        with opened(asked) as source:
            for rows in source.arrays():
                _visit(rows, f"{asked.path}: {rows.name[1:]}")
    except DataError as error:
        return error.message, error.hint
    return None


def opened(asked: Asked) -> Table | Members:
    """Open a file that is sound."""
    import h5py

    path, array, ids_array = asked.path, asked.array, asked.ids_array
    try:
        file = h5py.File(path, "r")
    except UNREADABLE as error:
        raise _no_hdf5(path, error) from error
    try:
        names = {name if isinstance(name, str) else name.decode("utf-8", "backslashreplace"): name for name in file}
        if len(names) < 2 or {array, ids_array, *ARRAYS.values()} & set(names):
            return Table(path, file, names, asked.kind, array, ids_array)
        return Members(path, file, names, asked.kind, array, ids_array)
    except UNREADABLE as error:
        file.close()
        raise hdf5_error(f"{path} is damaged", error, AGAIN) from error
    except BaseException:
        file.close()
        raise


def _no_hdf5(path: Path, error: Exception) -> DataError:
    with path.open("rb") as file:
        what, remedy = kind_of(path, file.read(HEAD))
    if not what or "HDF5" in what:
        return hdf5_error(f"{path} is no HDF5 file, or is cut short", error, "copy it again")
    if "npy" in what:
        remedy = "name its folder: the files in it are <id>.npy, one a video"
    elif not remedy or "text" in remedy:
        remedy = "write the features as HDF5 or as npy files: docs/FEATURES.md"
    return DataError(f"{path} is no HDF5 file, but {what}", hint=remedy)


def _visit(rows: Any, where: str) -> None:
    """Visit every chunk of an array, without its numbers. Raises DataError for one that cannot be."""
    wide: list[int] = []
    try:
        if rows.chunks is None:
            return
        nominal = math.prod(rows.chunks) * rows.dtype.itemsize
        rows.id.chunk_iter(lambda chunk: wide.append(chunk.byte_offset) if chunk.size > nominal + nominal // 8 + 4096 else None)
    except UNREADABLE as error:
        raise hdf5_error(f"{where} is damaged", error, AGAIN) from error
    if wide:
        raise DataError(f"{where}: the chunk at byte {wide[0]} is larger than its numbers are", hint=AGAIN)


def seconds_for(size: int) -> int:
    """Time of the processor that looking through a file of ``size`` bytes may take."""
    return min(SECONDS + size // BYTES_PER_SECOND, MOST_SECONDS)


def _limit(size: int) -> None:
    """Limit this process, and keep what a dying library says off the terminal."""
    seconds = int(time.process_time()) + seconds_for(size)
    memory = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MEMORY
    for what, limit in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        most = resource.getrlimit(what)[1]  # stays: the next file that this process looks at may take longer
        resource.setrlimit(what, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
