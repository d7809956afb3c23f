"""Feature files: equal rows give equal bytes, rows are found by id in any order, damage is named."""

from __future__ import annotations

import os
import pickle
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from cache import hdf5
from cache.errors import ConfigError, DataError, StoreError
from cache.fletcher32 import fletcher32
from cache.hdf5 import FeatureReader, FeatureWriter, damaged_rows

ROWS = np.random.default_rng(0).standard_normal((5, 2, 3, 4)).astype(np.float32)
IDS = ["2", "10", "7", "1", "30"]


def write(path: Path, ids: list[str] = IDS, rows: np.ndarray = ROWS) -> Path:
    with FeatureWriter(path, "resnet_features", ids, rows.shape[1:]) as file:
        for row in rows:
            file.append(row)
    return path


def test_the_layout_is_the_communitys(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path / "f.h5")) as file:
        rows = file["resnet_features"]
        assert sorted(file) == ["ids", "resnet_features"]
        assert (rows.dtype, rows.shape, rows.chunks, rows.fletcher32, rows.compression) == (
            np.float32,
            (5, 2, 3, 4),
            (1, 2, 3, 4),
            True,
            None,
        )
        assert file["ids"].dtype == np.int64
        assert file["ids"][:].tolist() == [2, 10, 7, 1, 30]
        assert np.array_equal(rows[:], ROWS)
        assert not rows.attrs and not file.attrs


def test_equal_rows_give_equal_bytes_at_any_time(tmp_path: Path) -> None:
    first = write(tmp_path / "a.h5").read_bytes()
    time.sleep(1.1)
    assert write(tmp_path / "b.h5").read_bytes() == first


@pytest.mark.parametrize("count", [1, 15, 16, 33])
def test_many_small_rows_are_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(hdf5, "HELD_BYTES", 16 * (6 * 4 + 4))
    monkeypatch.setattr(hdf5, "WRITEBACK_BYTES", 100)
    rows = np.random.default_rng(1).standard_normal((count, 2, 3)).astype(np.float32)
    with FeatureReader(write(tmp_path / "f.h5", [str(n) for n in range(count)], rows)) as reader:
        assert np.array_equal(reader.all(), rows)


def chunks(rows: np.ndarray) -> list[bytes]:
    return [row.tobytes() + fletcher32(row.tobytes()) for row in rows]


def test_rows_and_chunks_mix_and_keep_their_order(tmp_path: Path) -> None:
    with FeatureWriter(tmp_path / "mixed.h5", "resnet_features", IDS, ROWS.shape[1:]) as file:
        for n, (row, chunk) in enumerate(zip(ROWS, chunks(ROWS), strict=True)):
            if n % 2:
                file.append(row)
            else:
                file.append_chunk(memoryview(b"x" + chunk)[1:])
    assert (tmp_path / "mixed.h5").read_bytes() == write(tmp_path / "rows.h5").read_bytes()


def test_rows_of_zeros_and_of_another_order_in_memory_are_written_as_they_are(tmp_path: Path) -> None:
    rows = np.stack([np.zeros((3, 4), np.float32), np.asfortranarray(ROWS[0, 0]), ROWS[1, 1].astype(">f4")])
    path = tmp_path / "f.h5"
    with FeatureWriter(path, "x", ["1", "2", "3"], (3, 4)) as file:
        for row in (rows[0], np.asfortranarray(rows[1]), rows[2].astype(">f4")):
            file.append(row)
    assert np.array_equal(FeatureReader(path).all(), rows)


@pytest.mark.parametrize("where", ["feature", "checksum"])
def test_a_chunk_whose_checksum_does_not_fit_is_refused_by_every_reader(tmp_path: Path, where: str) -> None:
    written = [bytearray(chunk) for chunk in chunks(ROWS)]
    written[1][5 if where == "feature" else -2] ^= 8
    path = tmp_path / "f.h5"
    with FeatureWriter(path, "x", IDS, ROWS.shape[1:]) as file:
        for chunk in written:
            file.append_chunk(bytes(chunk))
    assert damaged_rows(path) == ["10"]
    with pytest.raises(StoreError, match="row of video 10 is damaged"):
        FeatureReader(path).row(10)
    with h5py.File(path) as file, pytest.raises(OSError):
        file["x"][1]


def test_every_flipped_bit_of_a_row_and_its_checksum_is_found(tmp_path: Path) -> None:
    rows = ROWS[:3, 0, 0]
    path = write(tmp_path / "f.h5", ["0", "1", "2"], rows)
    data = path.read_bytes()
    (chunk,) = chunks(rows[1:2])
    at = data.index(chunk)
    for bit in range(8 * len(chunk)):
        bad = bytearray(data)
        bad[at + bit // 8] ^= 1 << bit % 8
        path.write_bytes(bad)
        assert damaged_rows(path) == ["1"]


def test_a_chunk_of_another_length_and_a_row_too_many_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="bytes, expected"), FeatureWriter(tmp_path / "f.h5", "x", IDS, (2, 3, 4)) as file:
        file.append_chunk(ROWS[0].tobytes())
    with pytest.raises(StoreError, match="1 rows promised"), FeatureWriter(tmp_path / "f.h5", "x", ["1"], (2, 3, 4)) as file:
        file.append(ROWS[0])
        file.append(ROWS[1])


def test_a_row_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shape"), FeatureWriter(tmp_path / "f.h5", "x", IDS, (2, 3)) as file:
        file.append(np.zeros((3,), np.float32))


def test_rows_are_found_by_id_in_any_order(tmp_path: Path) -> None:
    with FeatureReader(write(tmp_path / "f.h5"), "resnet_features") as reader:
        assert (len(reader), reader.shape, 10 in reader, "10" in reader, 11 in reader) == (5, (2, 3, 4), True, True, False)
        assert np.array_equal(reader.rows([30, "2", 30]), ROWS[[4, 0, 4]])
        assert np.array_equal(reader.row(1), ROWS[3])
        assert np.array_equal(reader.all(), ROWS)
        with pytest.raises(DataError, match="no row for video 11"):
            reader.rows([11])
        assert np.array_equal(pickle.loads(pickle.dumps(reader)).row(7), ROWS[2])


def test_text_ids_are_written_as_utf8(tmp_path: Path) -> None:
    reader = FeatureReader(write(tmp_path / "f.h5", ["a", "käse", "007", "-1", "x y"]))
    assert reader.ids == ["a", "käse", "007", "-1", "x y"]
    assert np.array_equal(reader.row("007"), ROWS[2])


def test_published_contiguous_files_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file.create_dataset("resnet_features", data=ROWS)
        file.create_dataset("ids", data=np.array([5, 3, 9, 1, 0]))
    assert np.array_equal(FeatureReader(tmp_path / "p.h5").rows([0, 9]), ROWS[[4, 2]])


def test_a_flipped_bit_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "f.h5")
    data = bytearray(path.read_bytes())
    at = data.index(ROWS[2].tobytes())
    data[at + 5] ^= 1
    path.write_bytes(data)
    reader = FeatureReader(path)
    assert np.array_equal(reader.row(2), ROWS[0])
    with pytest.raises(StoreError, match="row of video 7 is damaged"):
        reader.row(7)


def test_what_is_no_feature_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    with pytest.raises(DataError, match="no feature file"):
        FeatureReader(path)
    path.write_bytes(b"text")
    with pytest.raises(DataError, match="not an HDF5 file"):
        FeatureReader(path)
    for arrays, error, words in [
        ({"x": ROWS}, DataError, "not a feature file"),
        ({"x": ROWS, "y": ROWS, "ids": np.arange(5)}, ConfigError, "several arrays"),
        ({"x": ROWS, "ids": np.arange(4)}, DataError, "5 rows, but 4 ids"),
        ({"x": ROWS, "ids": np.array([1, 2, 1, 3, 4])}, DataError, "id 1 occurs twice"),
    ]:
        with h5py.File(path, "w") as file:
            for name, value in arrays.items():
                file.create_dataset(name, data=value)
        with pytest.raises(error, match=words):
            FeatureReader(path)
    with pytest.raises(DataError, match="did you mean 'resnet_features'"):
        FeatureReader(write(tmp_path / "g.h5"), "resnet_feature")


def test_missing_rows_do_not_pass(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match="5 rows promised, 1 written"),
        FeatureWriter(tmp_path / "f.h5", "x", IDS, ROWS.shape[1:]) as file,
    ):
        file.append(ROWS[0])
    with pytest.raises(DataError, match="no rows"):
        FeatureWriter(tmp_path / "f.h5", "x", [], (2,))


@pytest.mark.parametrize("how", ["external storage", "external link", "soft link"])
def test_an_array_that_lies_outside_the_file_is_refused(tmp_path: Path, how: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(40))
    write(tmp_path / "other.h5")
    with h5py.File(tmp_path / "evil.h5", "w") as file:
        file["ids"] = np.arange(5)
        if how == "external storage":
            file.create_dataset("features", (5, 2), "<f4", external=[(str(tmp_path / "secret"), 0, 40)])
        else:
            file["features"] = h5py.ExternalLink("other.h5", "features") if how == "external link" else h5py.SoftLink("/ids")
    with pytest.raises(DataError, match="another file"):
        FeatureReader(tmp_path / "evil.h5")


def test_room_is_asked_for_without_a_trace_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserved = write(tmp_path / "a.h5").read_bytes()
    monkeypatch.setattr(hdf5.fs, "reserve", lambda descriptor, size: None)
    assert write(tmp_path / "b.h5").read_bytes() == reserved


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the length")
def test_reserving_room_leaves_the_length_and_takes_the_blocks(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        hdf5.fs.reserve(file.fileno(), 1 << 20)
        found = os.fstat(file.fileno())
        assert found.st_size == 0
        try:
            os.posix_fallocate(file.fileno(), 0, 1)
        except OSError:
            pytest.skip("this file system has no such call")
        assert found.st_blocks * 512 >= 1 << 20
