"""A store written by the first release (format 1) is read by this one, and marked as new by the first write."""

import json
import shutil
from pathlib import Path

import pytest

from cache.errors import StoreError
from cache.fsck import Fsck
from cache.store import FORMAT, Store
from stages import extract, sample

OLD = Path(__file__).parents[1] / "data" / "store-format-1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy with the rights that objects have in a store (version control keeps none)."""
    root = tmp_path / "store"
    shutil.copytree(OLD, root)
    for path in root.glob("objects/*/*/files/**/*"):
        if path.is_file():
            path.chmod(0o444)
    return root


def test_the_fixture_is_of_format_one() -> None:
    assert json.loads((OLD / "format.json").read_text()) == {"format": 1}
    assert next(OLD.glob("items/*/*/*.items")).read_bytes()[:4] == b"KDI1"


def test_everything_in_it_is_read(old: Path) -> None:
    store = Store(old)
    refs = dict(store.refs())
    assert len(refs) == 11
    for path, key in refs.items():
        record = store.record(key)
        assert record is not None and record.format == 1 and record.node == path.name
        store.check_object(record.object, contents=True)
        for alias, parent in record.parents.items():
            assert store.record(parent).object == record.key.inputs[alias]  # type: ignore[union-attr]
    sample = store.record(store.ref("world", "videoqa", "sample") or "")
    assert sample is not None
    items = store.item_set("sample", sample.items)
    rows = sorted(items.get(key).payload for key in items.keys())  # type: ignore[union-attr]  # noqa: SIM118
    assert rows == [b"VIDEO 0", b"VIDEO 1", b"VIDEO 2", b"VIDEO 3"]
    assert len(store.members(sample)) == 0  # they came with format 2


def test_its_rows_are_found_by_the_key_that_made_them(old: Path) -> None:
    store, found = Store(old), []
    for _, key in store.refs():
        record = store.record(key)
        assert record is not None
        if record.items:
            found.append(record.key.stage)
            assert record.key.item_key({"sample": sample.STAGE, "extract": extract.STAGE}[record.key.stage].items) == record.items
    assert "sample" in found


def test_it_is_clean_and_looking_changes_nothing(old: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in old.rglob("*")}
    assert list(Fsck(Store(old), 1.0)) == []
    assert {path: path.stat().st_mtime_ns for path in old.rglob("*")} == before


def test_a_write_marks_it_as_new_and_appends_rows_beside_the_old_ones(old: Path) -> None:
    store = Store(old)
    sample = store.record(store.ref("world", "videoqa", "sample") or "")
    assert sample is not None
    store.prepare()
    items = store.item_set("sample", sample.items, writable=True)
    items.append("a" * 64, b"new")
    items.flush()
    assert json.loads((old / "format.json").read_text()) == {"format": FORMAT}
    assert len(Store(old).item_set("sample", sample.items)) == 5
    assert list(Fsck(Store(old), 1.0)) == []


def test_a_damaged_old_row_is_found_and_the_rows_behind_it_stay(old: Path) -> None:
    (shard,) = old.glob("items/*/*/*.items")
    data = bytearray(shard.read_bytes())
    data[41] ^= 1  # the length of the first row's meta: format 1 has no checksum of the head
    shard.write_bytes(data)
    assert {f.kind for f in Fsck(Store(old), 1.0) if not f.note} == {"items"}
    sample = Store(old).record(Store(old).ref("world", "videoqa", "sample") or "")
    assert sample is not None
    items = Store(old).item_set("sample", sample.items)
    sound = 0
    for key in items.keys():  # noqa: SIM118
        try:
            sound += items.get(key) is not None
        except StoreError:
            continue
    assert sound >= 2


def test_a_newer_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text('{"format":99}\n')
    with pytest.raises(StoreError, match="format 99; this kdpipe reads up to 2") as caught:
        Store(tmp_path)
    assert "update kdpipe" in str(caught.value)
