"""Rows of the item set: their bytes hold the HDF5 chunk, and rows without a checksum give the same file."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from cache.hdf5 import FeatureReader, FeatureWriter
from cache.pack import pack
from stages.extract.row import chunk_of, pack_row, unpack_row

SHAPES = [(2, 3, 5), (4, 7), (1, 1)]


def features(shape: tuple[int, ...], count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((count, *shape)).astype(np.float32)


def assembled(path: Path, payloads: list[bytes], shape: tuple[int, ...]) -> Path:
    with FeatureWriter(path, "x", [str(n) for n in range(len(payloads))], shape) as file:
        for payload in payloads:
            file.append_chunk(chunk_of(payload, shape))
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_holds_its_chunk_as_hdf5_itself_would_write_it(tmp_path: Path, shape: tuple[int, ...]) -> None:
    row = features(shape, 1)
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file.create_dataset("x", data=row, chunks=row.shape, fletcher32=True)
        written = file["x"].id.read_direct_chunk((0,) * row.ndim)[1]
    payload = pack_row(row[0])
    assert payload.endswith(written)
    assert bytes(chunk_of(payload, shape)) == written
    assert np.array_equal(unpack_row(payload), row[0])


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_older_checkouts_give_the_same_file(tmp_path: Path, shape: tuple[int, ...]) -> None:
    rows = features(shape)
    new, old = [pack_row(row) for row in rows], [pack({"feature": row}) for row in rows]
    path = assembled(tmp_path / "new.h5", new, shape)
    for name, payloads in (("old", old), ("mixed", [new[0], old[1], new[2]])):
        assert assembled(tmp_path / name, payloads, shape).read_bytes() == path.read_bytes()
    with FeatureReader(path) as reader:
        assert np.array_equal(reader.all(), rows)


def test_features_that_are_not_contiguous_are_packed_in_c_order() -> None:
    row = features((6, 4), 1)[0]
    assert pack_row(row.T) == pack_row(row.T.copy())
    assert np.array_equal(unpack_row(pack_row(row.T)), row.T)


def test_a_row_of_another_shape_has_no_chunk() -> None:
    with pytest.raises(ValueError, match="shape"):
        chunk_of(pack_row(features((6,), 1)[0]), (3, 2))
