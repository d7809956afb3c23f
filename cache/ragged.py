"""Frame features of many videos, each with its own number of frames: one HDF5 file a partition.

    frames         uint8 (or float32) (rows of all videos, D), contiguous: it can be mapped into memory at ``frames.id.get_offset()``
    offsets        int64 (V + 1): video v has the rows offsets[v] .. offsets[v + 1]
    ids            utf-8, fixed length (V,)
    labels_values  int32, labels_offsets int64 (V + 1): the labels of video v, in the same manner
    about          a JSON object of what the writer was told, as one text; the attribute ``format`` is the file's version

The file is written in one pass and read without copying. Equal content gives equal bytes. h5py is imported only when used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from cache.errors import DataError, StoreError
from cache.hdf5 import write_texts

FORMAT = 1
#: Rows are written so many bytes at a time.
BLOCK_BYTES = 8 << 20

Array = npt.NDArray[Any]
Integers = npt.NDArray[np.integer[Any]]


class RaggedWriter:
    """Writes videos one after another. A context manager: leaving it without an error completes the file.

    ``width`` is D. ``rows`` is how many rows all videos will have together: a contiguous array cannot grow. Memory holds one block, ids
    and labels.
    """

    def __init__(self, path: Path, width: int, *, rows: int, dtype: str = "uint8", about: Mapping[str, Any] | None = None):
        self._path, self._width, self._promised = Path(path), width, rows
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._about = dict(about or {})
        self._ids: list[str] = []
        self._lengths: list[int] = []
        self._labels: list[Integers] = []
        self._written = 0
        offset = self._create(rows)
        self._out = self._path.open("r+b", buffering=BLOCK_BYTES)
        self._out.seek(offset)

    def append(self, id: str, labels: Sequence[int] | Integers, *frames: Array) -> None:
        """Write the next video. ``frames``: arrays (T, d) whose widths make D; several are put side by side (rgb and audio).

        Raises ValueError if their widths, lengths or types do not fit.
        """
        lengths = {len(part) for part in frames}
        if len(lengths) != 1 or sum(part.shape[1] for part in frames) != self._width or any(p.dtype != self._dtype for p in frames):
            found = ", ".join(f"{part.dtype} {part.shape}" for part in frames)
            raise ValueError(f"video {id}: {found}; expected {self._dtype} (T, d) that make {self._width} together")
        length = lengths.pop()
        block = np.empty((length, self._width), self._dtype)
        np.concatenate(frames, axis=1, out=block)
        self._out.write(block.data)
        self._written += length
        self._ids.append(id)
        self._lengths.append(length)
        self._labels.append(np.array(labels, "<i4"))  # a copy: a view would keep alive whatever it was cut from

    def close(self) -> None:
        """Write what belongs to the rows. Raises StoreError if there are more or fewer rows than promised."""
        self._out.close()
        if self._written != self._promised:
            raise StoreError(f"{self._path.name}: {self._promised} rows promised, {self._written} written")
        self._finish()

    def _create(self, rows: int) -> int:
        """Make the file with room for the rows; returns where they lie."""
        import h5py

        with h5py.File(self._path, "w") as file:
            plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            plist.set_layout(h5py.h5d.CONTIGUOUS)
            plist.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            plist.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            plist.set_obj_track_times(False)
            space = h5py.h5s.create_simple((rows, self._width))
            kind = h5py.h5t.py_create(self._dtype)
            return h5py.h5d.create(file.id, b"frames", kind, space, plist).get_offset() or 0

    def _finish(self) -> None:
        import h5py

        values = np.concatenate(self._labels) if self._labels else np.zeros(0, "<i4")
        with h5py.File(self._path, "r+") as file:
            file.create_dataset("offsets", data=_ends(self._lengths), track_times=False)
            write_texts(file, "ids", self._ids)
            file.create_dataset("labels_values", data=values, track_times=False)
            file.create_dataset("labels_offsets", data=_ends([len(labels) for labels in self._labels]), track_times=False)
            file.attrs["format"] = FORMAT
            text = json.dumps(self._about, sort_keys=True).encode()  # an attribute could not hold the names of 4,000 shards
            file.create_dataset("about", data=np.array(text, kind := h5py.string_dtype("utf-8", len(text))), dtype=kind, track_times=False)

    def __enter__(self) -> RaggedWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._out.close()


class RaggedFrames:
    """Reads such a file; ``frames`` is mapped, so only the rows that are touched come from the disk.

    ids: of the videos, in order. offsets, lengths: (V + 1,), (V,) int64. width: D. about: what the writer was told.
    It can be sent to worker processes, which map the file anew. Raises DataError if the file is none of ours or not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self.ids: list[str]
        self._load()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def width(self) -> int:
        """D, the length of a row."""
        return int(self._rows.shape[1])

    def labels(self, video: int) -> npt.NDArray[np.int32]:
        """The labels of a video: int32, sorted as they were written."""
        return self._labels[self._label_offsets[video] : self._label_offsets[video + 1]]

    def frames(self, video: int) -> Array:
        """The rows (T, D) of a video, as a view of the file."""
        own: Array = self._rows[self.offsets[video] : self.offsets[video + 1]]
        return own

    def batch(self, videos: Integers | Sequence[int], rows: Integers | Sequence[Sequence[int]]) -> Array:
        """(B, k, D): of each of the B videos the rows numbered by ``rows``, (B, k) or (k,) for all.

        A number outside 0 .. T - 1 gives zeros: that is how a padded grid and short videos are read (:attr:`lengths` gives the mask).
        """
        which = np.asarray(videos, np.int64)
        index = np.broadcast_to(np.asarray(rows, np.int64), (len(which), np.shape(rows)[-1]))
        real = (index >= 0) & (index < self.lengths[which][:, None])
        if not len(self._rows):
            return np.zeros((*index.shape, self.width), self._rows.dtype)
        out: Array = self._rows[np.where(real, index + self.offsets[which][:, None], 0)]
        out[~real] = 0
        return out

    def padded(self, videos: Integers | Sequence[int], length: int) -> Array:
        """(B, length, D): the first ``length`` rows of each video, zeros behind a shorter one."""
        out = np.zeros((len(videos), length, self.width), self._rows.dtype)
        for place, video in zip(out, videos):
            own = self.frames(int(video))[:length]
            place[: len(own)] = own
        return out

    def _load(self) -> None:
        import h5py

        if not self.path.is_file():
            raise DataError(f"no frame store {self.path}", hint="kdpipe ingest")
        try:
            with h5py.File(self.path, "r") as file:
                if int(file.attrs.get("format", 0)) != FORMAT:
                    raise DataError(f"{self.path} is no frame store of format {FORMAT}", hint="kdpipe ingest")
                self.about: dict[str, Any] = json.loads(file["about"][()])
                self.offsets: npt.NDArray[np.int64] = file["offsets"][:]
                self.ids = [id.decode() for id in file["ids"][:].tolist()]
                self._labels: npt.NDArray[np.int32] = file["labels_values"][:]
                self._label_offsets: npt.NDArray[np.int64] = file["labels_offsets"][:]
                frames = file["frames"]
                place, shape, kind = frames.id.get_offset(), frames.shape, frames.dtype
        except (OSError, KeyError, ValueError) as error:
            raise DataError(f"{self.path} is not a frame store, or is cut short: {error}", hint="kdpipe ingest") from error
        self.lengths: npt.NDArray[np.int64] = np.diff(self.offsets)
        self._check(shape)
        whole = self.path.stat().st_size >= (place or 0) + shape[0] * shape[1] * kind.itemsize
        if not whole:
            raise DataError(f"{self.path} is cut short", hint="kdpipe fsck --all, then kdpipe ingest")
        self._rows: Array = np.memmap(self.path, kind, "r", place, shape) if shape[0] else np.zeros(shape, kind)

    def _check(self, shape: tuple[int, ...]) -> None:
        """Refuse offsets that lead out of the rows: a later read would give other videos' frames."""
        for name, ends, count in (("offsets", self.offsets, shape[0]), ("labels_offsets", self._label_offsets, len(self._labels))):
            if len(ends) != len(self.ids) + 1 or ends[0] != 0 or ends[-1] != count or (np.diff(ends) < 0).any():
                raise DataError(f"{self.path}: its {name} do not fit {len(self.ids)} videos and {count} entries", hint="kdpipe ingest")

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._load()


def _ends(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros(1, "<i8"), np.cumsum(lengths, dtype="<i8")])
