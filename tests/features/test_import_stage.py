"""Published feature files of every make become the same file in our layout."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from cache.digest import digest_file
from cache.errors import DataError
from cache.hdf5 import FeatureReader
from cache.names import escape
from cache.stage import Context, Quiet
from models.backbones.kinds import KINDS
from pipeline.offers import offers
from stages.imported.run import run
from stages.imported.source import open_source
from tests.features.conftest import IDS, NAMES, features, published, states

PROJECT = Path(__file__).resolve().parents[2]
ORDER = [3, 0, 4, 2, 1]
NUMBERS = np.array([int(id) for id in IDS])
Import = Callable[..., Context]

#: name of the case -> how the file differs from what HCRN writes
WRITERS: dict[str, dict[str, Any]] = {
    "as hcrn writes it": {},
    "chunked and gzipped": {"chunks": (1, 2, 4, 6), "compression": "gzip"},
    "chunks over several rows": {"chunks": (2, 1, 4, 3), "compression": "gzip", "shuffle": True},
    "h5py's own chunks": {"chunks": True, "fletcher32": True},
    "growing": {"maxshape": (None, 2, 4, 6)},
    "double precision": {"dtype": np.float64},
    "big-endian": {"dtype": ">f4"},
}


@pytest.mark.parametrize("how", WRITERS.values(), ids=list(WRITERS))
@pytest.mark.parametrize("ids", [np.int64, np.int32, np.uint16, "bytes", "text"])
def test_whatever_wrote_the_rows_they_arrive_bit_by_bit_in_the_order_of_the_index(
    how: dict[str, Any], ids: Any, tmp_path: Path, imported: Import
) -> None:
    rows = features()
    names: Any = (
        NUMBERS[ORDER].astype(ids) if isinstance(ids, type) else [IDS[row].encode() if ids == "bytes" else IDS[row] for row in ORDER]
    )
    ctx = imported(published(tmp_path / "x_appearance_feat_24.h5", rows[ORDER], names, **how))
    with h5py.File(ctx.out / "msvd-qa_appearance_feat.h5") as file:
        assert file["ids"][:].tolist() == NUMBERS.tolist() and file["ids"].dtype == np.int64
        data = file["resnet_features"]
        assert (data.dtype, data.chunks, data.fletcher32, data.compression) == (np.float32, (1, 2, 4, 6), True, None)
        assert np.array_equal(data[:], rows)
    assert states(ctx) == dict.fromkeys(IDS, "ok")


def test_the_result_does_not_depend_on_how_the_rows_were_stored(tmp_path: Path, imported: Import) -> None:
    rows = features()
    made = []
    for number, how in enumerate(WRITERS.values()):
        ctx = imported(published(tmp_path / f"{number}.h5", rows[ORDER], NUMBERS[ORDER], **how))
        made.append(digest_file(ctx.out / "msvd-qa_appearance_feat.h5"))
    assert len(set(made)) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_features_is_imported_and_told_by_the_name_of_its_file(kind: str, tmp_path: Path, imported: Import) -> None:
    shape = (2, 6) if KINDS[kind].clips else (2, 4, 6)
    rows = np.random.default_rng(0).random((len(IDS), *shape), np.float32)
    path = published(tmp_path / f"x_{kind}_feat.h5", rows, NUMBERS, "anything")
    (offer,) = offers([path], "", "", "ids")
    assert (offer.kind, offer.restored) == (kind, shape)
    ctx = imported(path, kind=kind)
    about = json.loads((ctx.out / "features.json").read_text())
    assert (about["kind"], about["file"], about["array"]) == (kind, f"msvd-qa_{kind}_feat.h5", KINDS[kind].array)
    assert np.array_equal(FeatureReader(ctx.out / about["file"], about["array"]).all(), rows)


def test_half_precision_becomes_single(tmp_path: Path, imported: Import) -> None:
    rows = features().astype(np.float16)
    ctx = imported(published(tmp_path / "f.h5", rows, NUMBERS))
    with FeatureReader(ctx.out / "msvd-qa_appearance_feat.h5") as reader:
        assert np.array_equal(reader.all(), rows.astype(np.float32))
    assert json.loads((ctx.out / "features.json").read_text())["imported"]["dtype"] == "float16"


@pytest.mark.parametrize(("kind", "shape", "full"), [("motion", (6,), (1, 6)), ("appearance", (4, 6), (1, 4, 6))])
def test_the_lost_axis_of_one_clip_is_put_back(
    kind: str, shape: tuple[int, ...], full: tuple[int, ...], tmp_path: Path, imported: Import
) -> None:
    rows = features(kind, shape=shape)
    ctx = imported(published(tmp_path / "f.h5", rows, NUMBERS, NAMES[kind]), kind=kind)
    about = json.loads((ctx.out / "features.json").read_text())
    assert (about["clips"], about["imported"]["squeezed"]) == (1, True)
    with FeatureReader(ctx.out / about["file"]) as reader:
        assert reader.shape == full and np.array_equal(reader.all().reshape(rows.shape), rows)


def test_what_they_are_is_written_beside_them_without_a_path_or_a_time(tmp_path: Path, imported: Import) -> None:
    path = published(tmp_path / "f.h5", features("motion"), NUMBERS, "resnext_features")
    ctx = imported(path, kind="motion", when="2026-01-02 03:04")
    text = (ctx.out / "features.json").read_text()
    assert str(tmp_path) not in text and "2026" not in text
    assert json.loads(text) == {
        "kind": "motion",
        "file": "msvd-qa_motion_feat.h5",
        "array": "resnext_features",
        "dataset": "msvd-qa",
        "backbone": "imported",
        "weights": "imported",
        "random": False,
        "width": 6,
        "clips": 2,
        "frames": None,
        "image_size": None,
        "input": "imported",
        "videos": 5,
        "zero_rows": [],
        "imported": {
            "sha256": digest_file(path),
            "array": "resnext_features",
            "dtype": "float32",
            "rows": 5,
            "ids": "exact",
            "squeezed": False,
            "unexpected": 0,
        },
    }
    assert ctx.params.provenance == f"imported from {path}, sha256 {digest_file(path)[:12]}, 2026-01-02 03:04"


@pytest.mark.parametrize("prefix", ["video", "vid"])
def test_ids_with_the_names_of_the_videos_are_understood(prefix: str, tmp_path: Path, imported: Import) -> None:
    ctx = imported(published(tmp_path / "f.h5", features(), [f"{prefix}{id}" for id in IDS]))
    assert states(ctx) == dict.fromkeys(IDS, "ok")
    assert json.loads((ctx.out / "features.json").read_text())["imported"]["ids"] == "prefix"


def test_a_tree_of_npy_files_is_read(tmp_path: Path, imported: Import) -> None:
    rows = features("motion")
    (tmp_path / "tree").mkdir()
    for id, row in zip(IDS, rows):
        np.save(tmp_path / "tree" / f"{id}.npy", row.astype(np.float64))
    ctx = imported(tmp_path / "tree", kind="motion")
    with FeatureReader(ctx.out / "msvd-qa_motion_feat.h5") as reader:
        assert reader.ids == IDS and np.array_equal(reader.all(), rows)


@pytest.mark.parametrize("name", ["{}", "{}/x"])
def test_ids_of_a_tree_may_be_folders_or_escaped(name: str, tmp_path: Path, index: Path, imported: Import) -> None:
    ids = [f"Holiday{n}/é%" if name == "{}" else name.format(n) for n in range(3)]
    (index / "media.jsonl").write_text("".join(json.dumps({"id": id}) + "\n" for id in ids))
    rows = features("motion", 3)
    for id, row in zip(ids, rows):
        path = tmp_path / "tree" / f"{escape(id) if name == '{}' else id}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, row)
    ctx = imported(tmp_path / "tree", kind="motion")
    with FeatureReader(ctx.out / "msvd-qa_motion_feat.h5") as reader:
        assert reader.ids == ids and np.array_equal(reader.all(), rows)


def test_videos_without_a_row_are_lost_and_rows_without_a_video_left_out(tmp_path: Path, imported: Import) -> None:
    ids = np.array([7, 99, 1, 2, 98])
    rows = features()
    ctx = imported(published(tmp_path / "f.h5", rows, ids))
    assert states(ctx) == {"1": "ok", "2": "ok", "7": "ok", "10": "missing", "30": "missing"}
    assert ctx.ledger.lost_fraction() == 0.4
    with FeatureReader(ctx.out / "msvd-qa_appearance_feat.h5") as reader:
        assert reader.ids == ["1", "2", "7"] and np.array_equal(reader.all(), rows[[2, 3, 0]])
    assert json.loads((ctx.out / "features.json").read_text())["imported"]["unexpected"] == 2


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("chunks", [None, (2, 1, 4, 6)])
def test_a_row_that_is_not_finite_is_lost_by_name(bad: float, chunks: Any, tmp_path: Path, imported: Import) -> None:
    rows = features()
    rows[1, 1, 2, 3] = bad
    ctx = imported(published(tmp_path / "f.h5", rows, NUMBERS, chunks=chunks))
    assert states(ctx)["2"] == "non_finite" and "2" not in ctx.members.rows
    with FeatureReader(ctx.out / "msvd-qa_appearance_feat.h5") as reader:
        assert reader.ids == ["1", "7", "10", "30"] and np.array_equal(reader.all(), rows[[0, 2, 3, 4]])


def test_a_number_too_large_for_single_precision_is_not_finite(tmp_path: Path, imported: Import) -> None:
    rows = features().astype(np.float64)
    rows[0, 0, 0, 0] = 1e300
    assert states(imported(published(tmp_path / "f.h5", rows, NUMBERS)))["1"] == "non_finite"


@pytest.mark.parametrize(("zero_rows", "kept"), [("keep", IDS), ("leave_out", ["1", "2", "10", "30"])])
def test_a_row_of_zeros_is_never_silent(zero_rows: str, kept: list[str], tmp_path: Path, imported: Import) -> None:
    rows = features()
    rows[2] = 0
    ctx = imported(published(tmp_path / "f.h5", rows, NUMBERS), zero_rows=zero_rows)
    entry = ctx.ledger.entries["7"]
    assert entry.state == "padded" and "all zeros" in entry.reason and ctx.ledger.lost_fraction() == 0
    about = json.loads((ctx.out / "features.json").read_text())
    assert about["zero_rows"] == (["7"] if zero_rows == "keep" else []) and about["videos"] == len(kept)
    with FeatureReader(ctx.out / "msvd-qa_appearance_feat.h5") as reader:
        assert reader.ids == kept


def test_no_usable_row_is_an_error(tmp_path: Path, imported: Import) -> None:
    with pytest.raises(DataError, match="no usable row"):
        imported(published(tmp_path / "f.h5", features() * np.nan, NUMBERS))


def test_a_file_that_is_not_the_one_that_was_imported_is_refused(tmp_path: Path, context: Callable[..., Context]) -> None:
    path = published(tmp_path / "f.h5", features(), NUMBERS)
    ctx = context(path)
    published(path, features(seed=1), NUMBERS)
    with pytest.raises(DataError, match="is not what was imported"):
        run(ctx)
    path.unlink()
    with pytest.raises(DataError, match=r"not there any more[\s\S]*import-features"):
        run(ctx)


def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, context: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = published(tmp_path / "f.h5", features(), NUMBERS)
    ctx = context(path)

    def write(*_: Any) -> None:
        with path.open("ab") as file:
            file.write(b"\0")

    monkeypatch.setattr("stages.imported.run.write", write)
    with pytest.raises(DataError, match="was changed while it was being read"):
        run(ctx)


RSS = """
import json, resource, sys
from pathlib import Path
import h5py
from cache.ledger import Ledger
from cache.stage import Context, Quiet
from stages.imported import ImportedParams
from stages.imported.run import run
from stages.imported.source import digest
import cache.hdf5, numpy
path, base = Path(sys.argv[1]), Path(sys.argv[2])
(base / "out").mkdir(); (base / "scratch").mkdir()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
run(Context(params=ImportedParams(file=str(path), sha256=digest(path, Quiet)), out=base / "out", scratch=base / "scratch",
            ledger=Ledger(), progress=Quiet, inputs={"index": base / "index"}))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.long
@pytest.mark.parametrize("chunks", [None, (500, 1, 16, 64)], ids=["contiguous", "chunks over 500 rows"])
def test_ten_thousand_rows_take_the_memory_of_a_few(chunks: Any, tmp_path: Path, index: Path) -> None:
    count, shape = 10_000, (4, 16, 64)
    (index / "media.jsonl").write_text("".join(json.dumps({"id": str(n)}) + "\n" for n in range(count)))
    block = features(count=100, shape=shape)
    path = tmp_path / "f.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("resnet_features", (count, *shape), "<f4", chunks=chunks)
        for start in range(0, count, 500):
            data[start : start + 500] = np.tile(block, (5, 1, 1, 1))
        file["ids"] = np.random.default_rng(0).permutation(count)
    assert path.stat().st_size > 160e6
    done = subprocess.run([sys.executable, "-c", RSS, str(path), str(tmp_path)], cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 60, f"{done.stdout.strip()} MB"
    with FeatureReader(tmp_path / "out" / "msvd-qa_appearance_feat.h5") as mine, open_source(path) as theirs:
        place = {id: n for n, id in enumerate(theirs.ids)}
        for id in ("0", "4999", "9999"):
            assert np.array_equal(mine.row(id), block[place[id] % 100])


def test_rows_are_counted_for_the_progress_bar(tmp_path: Path, context: Callable[..., Context]) -> None:
    counted: dict[str, list[int]] = {}

    def counting(what: str, total: int, unit: str = "") -> Any:
        bar = Quiet()
        counted[what] = [total, 0]

        def step(n: int = 1, note: str = "") -> None:
            counted[what][1] += n

        bar.step = step  # type: ignore[method-assign]
        return bar

    ctx = context(published(tmp_path / "f.h5", features(), NUMBERS, chunks=(2, 1, 4, 6)))
    ctx.progress = counting
    run(ctx)
    assert counted["import"] == [5, 5] and counted["unpack"] == [6, 6] and math.prod(counted["read"]) == 0
