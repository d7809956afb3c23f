"""Feature files: whatever lies there, it is read or refused by name; what would crash the HDF5 library does so elsewhere."""

from __future__ import annotations

import io
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cache.hdf5 import FeatureReader
from media.workers import run_killable
from stages.imported.hdf5 import Asked, look_through, opened
from stages.imported.rows import Source
from stages.imported.source import open_source
from tests.fuzz.files import SECONDS, WRONG, refusal, shrinking, spoilt

ROWS = np.arange(12, dtype=np.float32).reshape(2, 2, 3)


def table(path: Path, **how: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("resnext_features", data=ROWS, **how)
        file["ids"] = np.array([7, 12])


def members(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["7/feat"], file["12/feat"] = ROWS


MAKERS = {
    "contiguous": table,
    "chunked": lambda path: table(path, chunks=(1, 2, 3), fletcher32=True, compression="gzip"),
    "a group a video": members,
}


def sample(name: str, path: Path) -> bytes:
    MAKERS[name](path)
    return path.read_bytes()


def rows_of(source: Source) -> list[Any]:
    with source:
        return [source.row(number) for number in range(len(source.ids))]


def read(path: Path) -> list[Any]:
    return rows_of(open_source(path, "motion"))


def npy() -> bytes:
    np.save(buffer := io.BytesIO(), ROWS[0])
    return buffer.getvalue()


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("name", ["f.h5", "7.npy"])
def test_what_is_no_feature_file_is_refused(name: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    WRONG[what](path)
    error = refusal(tmp_path, lambda: read(tmp_path if name == "7.npy" else path))
    fits = name == "7.npy" and what == "an npy file"
    assert (error is None) == fits


@pytest.mark.parametrize("name", MAKERS)
def test_hdf5_cut_at_any_byte_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    data = sample(name, path)
    assert len(read(path)) == 2
    for size in shrinking(path, data):
        assert refusal(path, lambda: opened(Asked(path, "motion", "", "ids"))) is not None, size
        if size % 997 == 0:
            assert refusal(path, lambda: read(path)) is not None, size
        if size % 97 == 0:
            assert refusal(path, lambda: FeatureReader(path)) is not None, size


def read_or_refused(folder: Path, files: Iterable[bytes]) -> None:
    """Each of the files is read or refused; one process looks through all of them, and another where one kills it."""
    jobs = []
    for number, data in enumerate(files):
        path = folder / f"{number}.h5"
        path.write_bytes(data)
        jobs.append((str(path), Asked(path, "motion", "", "ids")))
    asked = dict(jobs)
    for done in run_killable(look_through, jobs, workers=1, timeout=2 * SECONDS):
        assert done.state in ("done", "died"), done
        if done.state == "done" and done.value is None:
            one = asked[str(done.key)]
            refusal(one.path, partial(lambda sound: rows_of(opened(sound)), one))
        elif done.state == "done":
            assert str(done.key) in done.value[0]


@pytest.mark.parametrize("name", MAKERS)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.data_too_large])
@given(data=st.data())
def test_spoilt_hdf5_is_read_or_refused(name: str, tmp_path: Path, data: st.DataObject) -> None:
    whole = sample(name, tmp_path / "f.h5")
    read_or_refused(tmp_path, [data.draw(spoilt(whole)) for _ in range(15)])


@pytest.mark.parametrize("where", range(4))
def test_a_header_of_hdf5_spoilt_at_any_place_is_read_or_refused(where: int, tmp_path: Path) -> None:
    whole = sample("contiguous", tmp_path / "f.h5")
    places = range(where * 16, 2048, 64)
    read_or_refused(tmp_path, (whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :] for place in places))


def test_npy_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    for _ in shrinking(tmp_path / "7.npy", npy()):
        assert refusal(tmp_path / "7.npy", lambda: read(tmp_path)) is not None


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoilt_npy_is_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    (tmp_path / "7.npy").write_bytes(data.draw(spoilt(npy())))
    refusal(tmp_path / "7.npy", lambda: read(tmp_path))


def _sparse(path: Path, shape: tuple[int, ...], chunks: tuple[int, ...], ids: tuple[int, ...] = (2,)) -> None:
    with h5py.File(path, "w") as file:
        rows = file.create_dataset("resnext_features", shape, "<f4", chunks=chunks)
        rows[(0,) * len(shape)] = 1
        file.create_dataset("ids", ids, "<i8", chunks=(2,))[0] = 1


HOSTILE = {
    "a row of a terabyte": lambda path: _sparse(path, (2, 1 << 19, 1 << 19), (1, 1, 64)),
    "10^12 rows": lambda path: _sparse(path, (10**12, 2), (1, 2), (10**12,)),
    "20 million rows": lambda path: _sparse(path, (20_000_000, 2), (1, 2)),
    "ids of 4 GB": lambda path: _sparse(path, (2, 2), (1, 2), (1 << 29,)),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hdf5_that_promises_more_than_the_memory_is_refused(what: str, tmp_path: Path) -> None:
    HOSTILE[what](tmp_path / "f.h5")
    assert refusal(tmp_path / "f.h5", lambda: read(tmp_path / "f.h5")) is not None


def test_npy_that_promises_more_than_its_file_is_refused(tmp_path: Path) -> None:
    data = npy()
    for shape in (b"(1000000000000, 3)", b"(-2, 3)", b"(2.0, 3)", b"(1," * 2000 + b")"):
        (tmp_path / "7.npy").write_bytes(data.replace(b"(2, 3), }" + b" " * 16, shape + b", }"))
        assert refusal(tmp_path / "7.npy", lambda: read(tmp_path)) is not None
