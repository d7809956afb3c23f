"""Feature files in the community's HDF5 layout: one row a video, found through ``ids``. h5py is imported only when used.

Writing: rows in the order given, one chunk a row, fletcher32, no compression, no attributes, no times, so that equal rows give
equal bytes. Chunks go past HDF5's filters with a checksum of our own, so whoever has it already need not take it again.
Reading: any row order, contiguous or chunked; a row that fails its checksum is refused by name.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cache import fs
from cache.errors import ConfigError, DataError, StoreError, nearest, some
from cache.fletcher32 import SIZE, fletcher32

FloatArray = npt.NDArray[np.float32]

#: What h5py raises on files that are damaged or hold what it cannot read.
UNREADABLE = (OSError, RuntimeError, LookupError, ValueError, TypeError, ArithmeticError, MemoryError)
#: Small rows are held back until they are so much together.
HELD_BYTES = 1 << 20
#: After how many bytes the disk is told to begin.
WRITEBACK_BYTES = 64 << 20


def hdf5_error(what: str, error: BaseException, hint: str = "") -> DataError:
    """An error of h5py as one of ours: ``what``, and the library's reason in one line."""
    why = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"{what}: {why}", hint=hint)


class FeatureWriter:
    """Writes ``dataset`` float32 (N, *row shape) and ``ids`` (N,) row by row, in the order of ``ids``.

    ``ids`` are int64 if every one is an integer in decimal notation, else utf-8 strings of a fixed length.
    Use it as a context manager; leaving it without every row written is an error.
    """

    def __init__(self, path: Path, dataset: str, ids: Sequence[str], row_shape: Sequence[int]) -> None:
        import h5py

        if not ids:
            raise DataError(f"no rows for {path.name}", hint="kdpipe show STAGE --ledger says what was lost in a stage that it reads")
        self._ids = list(ids)
        self._next = 0
        self._file = h5py.File(path, "w")
        self._rows = self._file.create_dataset(
            dataset,
            shape=(len(ids), *row_shape),
            dtype="<f4",
            chunks=(1, *row_shape),
            fletcher32=True,
            track_times=False,
        )
        self._shape = tuple(row_shape)
        self._chunk_bytes = 4 * math.prod(self._shape) + SIZE
        self._corner = (0,) * len(self._shape)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        fs.reserve(self._descriptor, len(ids) * self._chunk_bytes)
        self._begun = 0
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="writeback")
        self._held: list[tuple[tuple[int, ...], bytes | memoryview]] = []

    def append(self, row: FloatArray) -> None:
        """Write the next row. Raises ValueError if it has another shape."""
        if row.shape != self._shape:
            raise ValueError(f"a row of shape {row.shape}, expected {self._shape}")
        data = row.astype("<f4", copy=False).tobytes()
        self.append_chunk(data + fletcher32(data))

    def append_chunk(self, chunk: bytes | memoryview) -> None:
        """Write the next row from the bytes of its chunk: float32, little-endian, in C order, then their fletcher32.

        The checksum is not looked at: one that is wrong makes the row unreadable. Raises ValueError if the length is another.
        """
        if len(chunk) != self._chunk_bytes:
            raise ValueError(f"a chunk of {len(chunk)} bytes, expected {self._chunk_bytes}")
        if self._next >= len(self._ids):
            raise StoreError(f"{len(self._ids)} rows promised, and one more comes")
        self._held.append(((self._next, *self._corner), chunk))
        self._next += 1
        if len(self._held) * self._chunk_bytes >= HELD_BYTES:
            self._write()

    def _write(self) -> None:
        """Write what was held back: small rows in one go, for the sake of a thread that reads ahead."""
        write = self._rows.id.write_direct_chunk
        for place, chunk in self._held:
            write(place, chunk)
        self._held.clear()
        self._start_writeback()

    def _start_writeback(self) -> None:
        """Let the disk begin with what was written, so that the fsync at the end finds little left to do."""
        size = self._next * self._chunk_bytes
        if hasattr(os, "posix_fadvise") and size - self._begun >= WRITEBACK_BYTES:
            # in a thread: handing 64 MB to the disk takes 8 ms
            self._disk.submit(os.posix_fadvise, self._descriptor, self._begun, size - self._begun, os.POSIX_FADV_DONTNEED)
            self._begun = size

    def close(self) -> None:
        """Write ``ids`` and close the file."""
        self._write()
        if all(is_integer(id) for id in self._ids):
            self._file.create_dataset("ids", data=np.array([int(id) for id in self._ids], "<i8"), track_times=False)
        else:
            write_texts(self._file, "ids", self._ids)
        self._abandon()

    def _abandon(self) -> None:
        self._file.close()
        self._disk.shutdown()
        os.close(self._descriptor)

    def __enter__(self) -> FeatureWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        if kind is not None:
            self._abandon()
            return
        self.close()
        if self._next != len(self._ids):
            raise StoreError(f"{len(self._ids)} rows promised, {self._next} written")


class FeatureReader:
    """Rows of a feature file by id, whatever their order in the file.

    ``dataset`` may be left out if the file holds one array besides ``ids``. ``shape`` is that of one row, so C is ``shape[0]``.
    The file is opened when first read and again in a forked process. Raises DataError if it is not such a file.
    """

    def __init__(self, path: Path, dataset: str = "") -> None:
        self.path = Path(path)
        self._file: Any = None
        self._pid = 0
        try:
            self._learn(dataset)
        except UNREADABLE as error:
            raise hdf5_error(f"{self.path} is damaged", error, "make the feature file again") from error

    def _learn(self, dataset: str) -> None:
        """What the file holds."""
        import h5py

        file = self._open()
        names = [name for name in file if name != "ids"]
        if "ids" not in file or not names:
            raise DataError(
                f"{self.path} is not a feature file: it holds {some(sorted(map(str, file)))}",
                hint="expected an array of features and 'ids'",
            )
        if not dataset and len(names) > 1:
            raise ConfigError(f"{self.path} holds several arrays: {some(names)}", hint="name the one to read")
        self.dataset: str = dataset or names[0]
        if self.dataset not in names:
            raise DataError(f"{self.path} has no dataset {self.dataset!r}", hint=nearest(self.dataset, names))
        for name in (self.dataset, "ids"):
            if not isinstance(file.get(name, getlink=True), h5py.HardLink) or file[name].external:
                raise DataError(f"{self.path}: {name} lies in another file", hint="copy it into one file: h5repack")
        rows = file[self.dataset]
        self.shape: tuple[int, ...] = tuple(rows.shape[1:])
        self.ids: list[str] = [id.decode() if isinstance(id, bytes) else str(id) for id in file["ids"][:].tolist()]
        self._row = {id: i for i, id in enumerate(self.ids)}
        if len(self.ids) != rows.shape[0]:
            raise DataError(f"{self.path}: {rows.shape[0]} rows, but {len(self.ids)} ids", hint="the file is not complete: make it again")
        if len(self._row) != len(self.ids):
            twice = next(id for i, id in enumerate(self.ids) if self._row[id] != i)
            raise DataError(f"{self.path}: id {twice} occurs twice", hint="every video has one row: make the file again")

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, id: object) -> bool:
        return str(id) in self._row

    def row(self, id: int | str) -> FloatArray:
        """The row of ``id``: float32 of :attr:`shape`."""
        row: FloatArray = self.rows([id])[0]
        return row

    def rows(self, ids: Iterable[int | str]) -> FloatArray:
        """The rows of ``ids``, in that order: float32 (B, *shape). Raises DataError naming an id that is not there."""
        wanted = [str(id) for id in ids]
        for id in wanted:
            if id not in self._row:
                raise DataError(f"{self.path.name} has no row for video {id}", hint="were the features made from another dataset or split?")
        out = np.empty((len(wanted), *self.shape), np.float32)
        data = self._open()[self.dataset]
        for i, id in enumerate(wanted):
            try:
                out[i] = data[self._row[id]]
            except (OSError, RuntimeError) as error:
                raise StoreError(
                    f"{self.path}: the row of video {id} is damaged (its checksum does not match)", hint="make the feature file again"
                ) from error
        return out

    def all(self) -> FloatArray:
        """Every row in the file's order (mind the memory)."""
        return self.rows(self.ids)

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file = None

    def __enter__(self) -> FeatureReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_pid": 0}

    def _open(self) -> Any:
        import h5py

        if self._file is None or self._pid != os.getpid():
            if not self.path.is_file():
                raise DataError(f"no feature file {self.path}", hint="make features")
            try:
                self._file = h5py.File(self.path, "r")
            except OSError as error:
                raise DataError(f"{self.path} is not an HDF5 file, or is cut short: {error}", hint="make the feature file again") from error
            self._pid = os.getpid()
        return self._file


def damaged_rows(path: Path) -> list[str]:
    """Ids of the rows of a feature file that do not pass their checksum; empty if the damage is elsewhere, or it is no such file."""
    try:
        reader = FeatureReader(path)
    except (DataError, ConfigError):
        return []
    with reader:
        return [id for id in reader.ids if not _passes(reader, id)]


def _passes(reader: FeatureReader, id: str) -> bool:
    try:
        reader.row(id)
    except StoreError:
        return False
    return True


def write_texts(file: Any, name: str, texts: Iterable[str]) -> None:
    """Write a dataset of utf-8 strings of a fixed length."""
    import h5py

    encoded = [text.encode() for text in texts]
    kind = h5py.string_dtype("utf-8", max(map(len, encoded), default=0) or 1)
    file.create_dataset(name, data=np.array(encoded, dtype=kind), dtype=kind, track_times=False)


def is_integer(id: str) -> bool:
    """Whether ``id`` is the decimal notation of an integer that fits int64."""
    try:
        return str(int(id)) == id and -(2**63) <= int(id) < 2**63
    except ValueError:
        return False
