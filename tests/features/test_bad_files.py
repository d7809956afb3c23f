"""Files that are not what they seem are refused, with what is wrong and where."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.imported.source import open_source
from tests.features.conftest import IDS, features, published

NUMBERS = np.array([int(id) for id in IDS])


def text(path: Path) -> None:
    path.write_text("no HDF5 at all")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def one_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, features())


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"video7": features()}))


def packed(path: Path) -> None:
    path.write_bytes(gzip.compress(b"any"))


def no_numbers(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["ids"], file["resnet_features"] = NUMBERS, h5py.Empty("f4")


def cut_short(path: Path) -> None:
    published(path, features(), NUMBERS)
    path.write_bytes(path.read_bytes()[:-300])


def nothing_inside(path: Path) -> None:
    h5py.File(path, "w").close()


def without_ids(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["resnet_features"] = features()


def two_unknown_arrays(path: Path) -> None:
    published(path, features(), NUMBERS, "a")
    with h5py.File(path, "a") as file:
        file["b"] = features()


def linked_from_another_file(path: Path) -> None:
    published(path.with_name("other.h5"), features(), NUMBERS)
    published(path, features(), NUMBERS, "x")
    with h5py.File(path, "a") as file:
        file["resnet_features"] = h5py.ExternalLink("other.h5", "/resnet_features")
        del file["x"]


def ids_by_soft_link(path: Path) -> None:
    published(path, features(), NUMBERS)
    with h5py.File(path, "a") as file:
        file.move("ids", "kept")
        file["ids"] = h5py.SoftLink("/kept")


def stored_in_another_file(path: Path) -> None:
    rows = features()
    path.with_name("raw").write_bytes(rows.tobytes())
    with h5py.File(path, "w") as file:
        file.create_dataset("resnet_features", rows.shape, rows.dtype, external=[(str(path.with_name("raw")), 0, rows.nbytes)])
        file["ids"] = NUMBERS


def virtual(path: Path) -> None:
    published(path.with_name("other.h5"), features(), NUMBERS)
    rows = features()
    layout = h5py.VirtualLayout(rows.shape, rows.dtype)
    layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "resnet_features", rows.shape)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("resnet_features", layout)
        file["ids"] = NUMBERS


def a_group(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("resnet_features")
        file["ids"] = NUMBERS


def never_written(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("resnet_features", (5, 2, 4, 6), "<f4")
        file["ids"] = NUMBERS


def integers(path: Path) -> None:
    published(path, (features() * 9).astype(np.uint8), NUMBERS)


def ids_of_another_length(path: Path) -> None:
    published(path, features()[:4], np.array([1, 2, 7, 10]))
    with h5py.File(path, "a") as file:
        del file["ids"]
        file["ids"] = NUMBERS


def ids_that_are_no_ids(path: Path) -> None:
    published(path, features(), NUMBERS.astype(np.float64))


def ids_in_a_table(path: Path) -> None:
    published(path, features(), [[1, 2]] * 5)


def one_number_a_video(path: Path) -> None:
    published(path, features()[:, 0, 0, 0], NUMBERS)


def no_row(path: Path) -> None:
    published(path, features()[:0], NUMBERS[:0])


def a_row_larger_than_memory(path: Path) -> None:
    with h5py.File(path, "w") as file:
        rows = file.create_dataset("resnet_features", (5, 8, 16, 1 << 22), "<f4", chunks=(1, 1, 1, 64))
        rows[0, 0, 0, :64] = 1
        file["ids"] = NUMBERS


def more_ids_than_memory(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["resnet_features"] = features()
        ids = file.create_dataset("ids", (1 << 40,), "<i8", chunks=(64,))
        ids[0] = 1


UNREADABLE = [
    (text, "no HDF5 file"),
    (empty, "no HDF5 file"),
    (one_npy, r"f\.h5 is no HDF5 file, but an npy array\n.*name its folder"),
    (pickled, r"f\.h5 is no HDF5 file, but a Python pickle\n.*as HDF5 or as npy files"),
    (packed, r"f\.h5 is no HDF5 file, but a gzip archive\n.*gunzip"),
    (no_numbers, "resnet_features is empty: it has no shape"),
    (cut_short, "truncated file"),
    (nothing_inside, "holds nothing"),
    (without_ids, "no array 'ids'"),
    (two_unknown_arrays, r"several arrays \(a, b\)"),
    (linked_from_another_file, "resnet_features is a link"),
    (ids_by_soft_link, "ids is a link"),
    (stored_in_another_file, "resnet_features lies in another file"),
    (virtual, "resnet_features lies in another file"),
    (a_group, "is a group"),
    (never_written, "was never written"),
    (integers, "is uint8, not floating-point"),
    (ids_of_another_length, "4 rows, but 5 ids"),
    (ids_that_are_no_ids, "the ids are float64"),
    (ids_in_a_table, r"the ids have the shape \[5, 2\]"),
    (one_number_a_video, r"the shape \[5\]"),
    (no_row, r"the shape \[0, 2, 4, 6\]"),
    (a_row_larger_than_memory, "bytes of memory"),
    (more_ids_than_memory, "more than a dataset has videos"),
]


@pytest.mark.parametrize(("write", "message"), UNREADABLE, ids=[write.__name__ for write, _ in UNREADABLE])
def test_it_is_refused_and_says_what_is_wrong(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "f.h5"
    write(path)
    with pytest.raises(DataError, match=message):
        open_source(path, "appearance")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2, 7, 10, 10], "1 id occurs more than once: 10"),
        ([1, 0, 0, 0, 0], "occurs more than once: 0"),
        ([101, 102, 103, 104, 105], "not one of its 5 ids is a video of the dataset: it has 101, 102"),
        (["video1", "vid1", "video2", "video7", "video10"], "occurs more than once: 1"),
    ],
)
def test_ids_that_name_no_one_video_are_refused(ids: list, message: str, tmp_path: Path, imported: Callable[..., Context]) -> None:
    path = published(tmp_path / "f.h5", features(), ids)
    with pytest.raises(DataError, match=message):
        imported(path)


def test_rows_of_the_other_kind_are_refused(tmp_path: Path, imported: Callable[..., Context]) -> None:
    path = published(tmp_path / "f.h5", features("appearance"), NUMBERS)
    with pytest.raises(DataError, match="are no motion features"):
        imported(path, kind="motion", array="resnet_features")


@pytest.mark.parametrize("chunks", [(1, 2, 4, 6), (2, 2, 4, 6)])
def test_a_row_that_fails_its_checksum_is_named(chunks: tuple[int, ...], tmp_path: Path, imported: Callable[..., Context]) -> None:
    rows = features()
    path = published(tmp_path / "f.h5", rows, NUMBERS, chunks=chunks, fletcher32=True)
    data = path.read_bytes()
    position = data.index(rows[3].tobytes()[:32])
    path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    with pytest.raises(DataError, match="of video 10 cannot be read" if chunks[0] == 1 else "of videos 7 to 10 cannot be read"):
        imported(path)


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("evil"),)


def test_bad_npy_files_are_named_and_nothing_in_them_is_run(
    tmp_path: Path, imported: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tree = tmp_path / "tree"
    tree.mkdir()
    with pytest.raises(DataError, match=r"holds no \.npy file"):
        open_source(tree)
    rows = features("motion")
    for id, row in zip(IDS, rows):
        np.save(tree / f"{id}.npy", row)
    whole = (tree / "7.npy").read_bytes()

    def refused(message: str) -> None:
        with pytest.raises(DataError, match=message):
            imported(tree, kind="motion")

    (tree / "7.npy").write_bytes(whole[:-8])
    refused("7.npy is no npy file of numbers, or is cut short")
    (tree / "7.npy").write_bytes(pickle.dumps(Evil()))
    refused("7.npy is no npy file")
    np.save(tree / "7.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    refused("7.npy is no npy file")
    np.save(tree / "7.npy", rows[2][:, :3])
    refused(r"7.npy has the shape \[2, 3\], 1.npy has \[2, 6\]")
    np.save(tree / "7.npy", np.ones((2, 6), np.int64))
    refused("7.npy does not hold an array of floating-point numbers")
    assert not (tmp_path / "evil").exists()
