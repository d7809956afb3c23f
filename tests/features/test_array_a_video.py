"""HDF5 files with an array a video are read; one that is not quite that is refused in a few words."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cache.errors import DataError
from cache.hdf5 import FeatureReader
from cache.stage import Context
from pipeline.offers import offers
from stages.imported import hdf5
from stages.imported.source import open_source
from tests.features.conftest import IDS, features, states

Import = Callable[..., Context]


def arrays(path: Path, rows: Any, names: list[str]) -> Path:
    with h5py.File(path, "w") as file:
        for name, row in zip(names, rows):
            file[name] = row
    return path


@pytest.mark.parametrize("names", [IDS, [f"video{id}" for id in IDS]], ids=["ids", "prefixed"])
@pytest.mark.parametrize("inner", ["", "/feat"], ids=["arrays", "groups"])
def test_an_array_a_video_arrives_bit_by_bit(names: list[str], inner: str, tmp_path: Path, imported: Import) -> None:
    rows = features("motion")
    path = arrays(tmp_path / "f.h5", rows, [name + inner for name in names])
    (offer,) = offers([path], "", "", "ids")
    assert (offer.kind, offer.array, offer.shape) == ("motion", inner.removeprefix("/"), (2, 6))
    assert "one array a video" in offer.lines[1] and "float32 [5, 2, 6]" in offer.lines[1]
    ctx = imported(path, kind="motion", array=offer.array)
    with FeatureReader(ctx.out / "msvd-qa_motion_feat.h5") as file:
        assert np.array_equal(file.rows(IDS), rows)
    assert states(ctx) == dict.fromkeys(IDS, "ok")


def test_of_several_arrays_in_a_group_one_is_named(tmp_path: Path) -> None:
    rows = features("motion")
    path = arrays(tmp_path / "f.h5", [*rows, *-rows], [f"{id}/{name}" for name in ("a", "b") for id in IDS])
    with pytest.raises(DataError, match=r"1 is a group that holds a, b\n  name the one .*--array NAME"):
        open_source(path, "motion")
    with open_source(path, "motion", "b") as source:
        assert np.array_equal(source.row(source.ids.index("7")), -rows[IDS.index("7")])
    known = arrays(tmp_path / "g.h5", [*rows, *-rows], [f"{id}/{name}" for name in ("other", "resnext_features") for id in IDS])
    with open_source(known, "motion") as source:
        assert source.array == "resnext_features"


def _other_shape(file: Any) -> str:
    file["1999"] = np.ones((3, 6), np.float32)
    return r"1999 is float32 \[3, 6\], 1 is float32 \[2, 6\]"


def _integers(file: Any) -> str:
    del file["1"]
    file["1"] = np.ones((2, 6), np.int64)
    return "1 is int64, not floating-point numbers"


def _a_group(file: Any) -> str:
    file.create_group("1999")
    return "1999 is a group, no array"


def _a_link(file: Any) -> str:
    file["1999"] = h5py.SoftLink("/1")
    return "1999 is a link to something else"


def _another_file(file: Any) -> str:
    file["1999"] = h5py.ExternalLink("other.h5", "/1")
    return "1999 is a link to something else"


@pytest.mark.parametrize("spoil", [_other_shape, _integers, _a_group, _a_link, _another_file])
def test_a_file_of_two_thousand_arrays_is_refused_in_a_few_words(spoil: Callable[[Any], str], tmp_path: Path) -> None:
    path = arrays(tmp_path / "f.h5", [np.ones((2, 6), np.float32)] * 1998, [str(number) for number in range(1, 1999)])
    with h5py.File(path, "a") as file:
        message = spoil(file)
    with pytest.raises(DataError, match=message) as caught:
        open_source(path, "motion")
    text = str(caught.value)
    assert len(text.replace(str(path), "")) < 500, text
    assert "1, 10, 100, 1000, 1001 … and 1,99" in text and "resnext_features" in text


def test_a_missing_array_of_two_thousand_is_told_in_a_few_words(tmp_path: Path) -> None:
    path = arrays(tmp_path / "f.h5", [1.0] * 2000, [*(f"name{number}" for number in range(1999)), "ids"])
    for kind, array in (("motion", ""), ("", ""), ("motion", "nam"), ("motion", "x")):
        with pytest.raises(DataError) as caught:
            open_source(path, kind, array)
        assert len(str(caught.value)) < 600


def dies(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def overruns(_: Any) -> None:
    hdf5.SECONDS = 0
    hdf5._limit(0)
    while True:
        pass


@pytest.mark.parametrize(("job", "how"), [(dies, "SIGSEGV"), (overruns, "SIG(XCPU|KILL)")], ids=["crashes", "never ends"])
def test_a_file_on_which_the_library_crashes_or_never_ends_is_refused(
    job: Callable[[Any], None], how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = arrays(tmp_path / "f.h5", features("motion"), IDS)
    monkeypatch.setattr(hdf5, "look_through", job)
    with pytest.raises(DataError, match=rf"f\.h5 is damaged: the HDF5 library fails on it \(.*{how}"):
        open_source(path, "motion")


def test_a_hundred_thousand_small_arrays_have_the_time_to_be_looked_at() -> None:
    """Each takes up to 0.7 ms on a slow machine; a terabyte is given up within a quarter of an hour."""
    assert hdf5.seconds_for(100_000 * 2048) > 100_000 * 0.7e-3 * 2
    assert hdf5.seconds_for(1 << 40) <= 900
