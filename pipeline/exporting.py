"""Features out of the store, as published code reads them: contiguous HDF5 under the published names, or one npy a video.

Rows are read through their checksums, one at a time. A file or directory appears under its name when it is whole, or not at all.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cache.errors import KdpipeError
from cache.fs import fsync_directory, fsync_file
from cache.hdf5 import FeatureReader, is_integer
from cache.names import escape
from cache.record import Record
from cache.store import Store

#: format -> what comes after ``<dataset>_<kind>_feat``; published code differs in nothing else
FORMATS = {"hcrn": ".h5", "dualvgr": ".h5", "mkd": "_24.h5", "npy": ""}


@dataclass(frozen=True)
class Stored:
    """Features in the store: what ``features.json`` says of them, and their rows."""

    about: dict[str, Any]
    reader: FeatureReader


def stored(store: Store, record: Record) -> Stored:
    """The features of a result, its files compared with what was published. Raises KdpipeError if it holds none."""
    entries = {entry.path for entry in store.manifest(record.object).files}
    if "features.json" not in entries:
        raise KdpipeError(f"{record.node} holds no features", hint="the nodes extract.* do")
    store.check_object(record.object)
    directory = store.files(record)
    about = json.loads((directory / "features.json").read_text(encoding="utf-8"))
    return Stored(about, FeatureReader(directory / about["file"], about["array"]))


def target_of(stored: Stored, directory: Path, form: str) -> Path:
    """The file, or for npy the directory, that an export of these features makes."""
    name = stored.about["file"].removesuffix(".h5").removesuffix(f"_{stored.about['kind']}_feat")
    return directory / f"{name}_{stored.about['kind']}_feat{FORMATS[form]}"


def export(stored: Stored, target: Path, form: str, bars: Callable[..., Any]) -> None:
    """Write the features; what stands under the name is replaced when the new one is whole."""
    with in_place(target) as temporary:
        _npy(stored, temporary, bars) if form == "npy" else _hdf5(stored, temporary, bars)


def _hdf5(stored: Stored, path: Path, bars: Callable[..., Any]) -> None:
    import h5py

    reader, array = stored.reader, stored.about["array"]
    with h5py.File(path, "w") as file:
        rows = file.create_dataset(array, shape=(len(reader), *reader.shape), dtype="<f4", track_times=False)
        with bars("export", total=len(reader)) as bar:
            for number, id in enumerate(reader.ids):
                rows[number] = reader.row(id)
                bar.step()
        if all(map(is_integer, reader.ids)):
            file.create_dataset("ids", data=np.array(list(map(int, reader.ids)), "<i8"), track_times=False)
        else:
            encoded = [id.encode() for id in reader.ids]
            kind = h5py.string_dtype("utf-8", max(map(len, encoded)))
            file.create_dataset("ids", data=np.array(encoded, dtype=kind), dtype=kind, track_times=False)
    fsync_file(path)


def _npy(stored: Stored, path: Path, bars: Callable[..., Any]) -> None:
    reader = stored.reader
    path.mkdir()
    with bars("export", total=len(reader)) as bar:
        for id in reader.ids:
            np.save(path / f"{escape(id)}.npy", reader.row(id), allow_pickle=False)
            bar.step()
    fsync_directory(path)


@contextmanager
def in_place(target: Path) -> Iterator[Path]:
    """A free name beside the target, which takes its place in the end; a failure leaves nothing behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    token = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
    temporary, old = target.parent / f".{target.name}.{token}.tmp", target.parent / f".{target.name}.{token}.old"
    try:
        yield temporary
        if target.is_dir() and not target.is_symlink():
            target.rename(old)
        temporary.replace(target)
        fsync_directory(target.parent)
    finally:
        for path in (temporary, old):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
