"""Features leave the store as published code reads them, whole or not at all, and come back with the same bits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from cache.errors import StoreError
from cache.hdf5 import FeatureReader
from cache.stage import Context, Quiet
from pipeline.exporting import FORMATS, Stored, export, target_of
from tests.features.conftest import IDS, NAMES, features, published

NUMBERS = np.array([int(id) for id in IDS])


@pytest.fixture
def held(tmp_path: Path, imported: Callable[..., Context]) -> Callable[..., Stored]:
    """Return a function that makes features in our layout."""

    def make(kind: str) -> Stored:
        ctx = imported(published(tmp_path / f"{kind}.h5", features(kind), NUMBERS, NAMES[kind]), kind=kind)
        about = json.loads((ctx.out / "features.json").read_text())
        return Stored(about, FeatureReader(ctx.out / about["file"], about["array"]))

    return make


def read_as_published(path: Path, array: str, video: int) -> np.ndarray:
    """What the loaders of the three code bases do, their own way of finding a row included."""
    with h5py.File(path, "r") as file:
        row = {str(id): n for n, id in enumerate(file["ids"][()])}[str(video)]
        return file[array][row]


@pytest.mark.parametrize("kind", ["appearance", "motion"])
@pytest.mark.parametrize(("form", "name"), [("hcrn", "feat.h5"), ("dualvgr", "feat.h5"), ("mkd", "feat_24.h5")])
def test_published_loaders_read_the_export(kind: str, form: str, name: str, tmp_path: Path, held: Callable[..., Stored]) -> None:
    stored = held(kind)
    target = target_of(stored, tmp_path / "new" / "place", form)
    assert target == tmp_path / "new" / "place" / f"msvd-qa_{kind}_{name}"
    export(stored, target, form, Quiet)
    rows = features(kind)
    for number, id in enumerate(NUMBERS):
        assert np.array_equal(read_as_published(target, NAMES[kind], id), rows[number])
    with h5py.File(target) as file:
        assert sorted(file) == sorted(["ids", NAMES[kind]]) and not file.attrs
        for one, dtype in ((NAMES[kind], np.float32), ("ids", np.int64)):
            assert file[one].dtype == dtype and file[one].chunks is None and file[one].compression is None and not file[one].attrs


@pytest.mark.parametrize("kind", ["appearance", "motion"])
@pytest.mark.parametrize("form", list(FORMATS))
def test_out_and_in_again_gives_the_same_rows(
    kind: str, form: str, tmp_path: Path, held: Callable[..., Stored], imported: Callable[..., Context]
) -> None:
    stored = held(kind)
    target = target_of(stored, tmp_path / "out", form)
    export(stored, target, form, Quiet)
    ctx = imported(target, kind=kind)
    with FeatureReader(ctx.out / f"msvd-qa_{kind}_feat.h5") as reader:
        assert reader.ids == IDS and np.array_equal(reader.all(), features(kind))


@pytest.mark.parametrize("form", list(FORMATS))
def test_ids_of_any_text_come_back_and_are_never_a_path(
    form: str, tmp_path: Path, index: Path, held: Callable[..., Stored], imported: Callable[..., Context]
) -> None:
    names = ["../up", "a/b", "Ä ö", "-rf", "x%41"]
    (index / "media.jsonl").write_text("".join(json.dumps({"id": id}) + "\n" for id in names))
    ctx = imported(published(tmp_path / "f.h5", features("motion"), names, "resnext_features"), kind="motion")
    about = json.loads((ctx.out / "features.json").read_text())
    stored = Stored(about, FeatureReader(ctx.out / about["file"]))
    target = target_of(stored, tmp_path / "out", form)
    export(stored, target, form, Quiet)
    assert list((tmp_path / "out").iterdir()) == [target]
    assert form != "npy" or len(list(target.iterdir())) == 5
    again = imported(target, kind="motion")
    with FeatureReader(again.out / "msvd-qa_motion_feat.h5") as reader:
        assert reader.ids == names and np.array_equal(reader.all(), features("motion"))


@pytest.mark.parametrize("form", ["hcrn", "npy"])
def test_a_damaged_row_leaves_the_old_export_and_no_traces(form: str, tmp_path: Path, held: Callable[..., Stored]) -> None:
    stored = held("motion")
    target = target_of(stored, tmp_path / "out", form)
    export(stored, target, form, Quiet)
    before = {path.name: path.read_bytes() for path in ([target] if target.is_file() else target.iterdir())}
    path = stored.reader.path
    data = path.read_bytes()
    position = data.index(features("motion")[2].tobytes())
    stored.reader.close()
    path.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    with pytest.raises(StoreError, match="the row of video 7 is damaged"):
        export(stored, target, form, Quiet)
    assert {path.name: path.read_bytes() for path in ([target] if target.is_file() else target.iterdir())} == before
    assert list((tmp_path / "out").iterdir()) == [target]
    stored.reader.close()
    path.write_bytes(data)
    export(stored, target, form, Quiet)
    assert list((tmp_path / "out").iterdir()) == [target]
