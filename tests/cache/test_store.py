"""Objects, records and refs."""

import json
from dataclasses import asdict
from pathlib import Path
from unittest import mock

import pytest

from cache import publication
from cache.digest import digest_value
from cache.errors import StoreError
from cache.members import Members
from cache.store import Store
from tests.cache.conftest import make_key, publish


def test_a_published_result_is_found_by_its_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = make_key()
    record = publish(store, key, {"a.txt": "hello", "deep/b.txt": "there"})
    found = Store(tmp_path).record(key.digest)
    assert found == record
    assert (store.files(found) / "deep" / "b.txt").read_text() == "there"
    assert found.size == 10


CHANGES: list[dict] = [
    {"stage": "x"},
    {"version": 2},
    {"entry": "e:f"},
    {"params": {"a": 2}},
    {"params": {"a": 1, "b": None}},
    {"code": {"m": "y"}},
    {"inputs": {"i": "d"}},
    {"sources": "s"},
    {"files": {"w": "d"}},
    {"facets": {"device": "cuda"}},
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_component_of_the_key_counts(change: dict) -> None:
    assert make_key(**change).digest != make_key().digest


@pytest.mark.parametrize("change", [*CHANGES, {"inputs": {"rows": "d", "teacher": "t"}}])
def test_everything_but_the_inputs_that_rows_stand_for_names_the_item_set(change: dict) -> None:
    assert make_key(**change).item_key(["rows"]) != make_key(inputs={"rows": "d"}).item_key(["rows"])


def test_the_inputs_that_rows_stand_for_do_not_name_the_item_set() -> None:
    both = [make_key(inputs={"rows": rows, "teacher": "t"}) for rows in "de"]
    assert both[0].item_key(["rows"]) == both[1].item_key(["rows"]) != make_key(inputs={"rows": "d"}).item_key(["rows"])


def test_raw_files_name_the_item_set_unless_the_rows_stand_for_them() -> None:
    assert make_key(sources="s").item_key([]) != make_key(sources="t").item_key([])
    assert make_key(sources="s").item_key(["sources"]) == make_key(sources="t").item_key(["sources"]) == make_key().item_key([])


def test_a_teacher_under_another_name_is_another_item_set() -> None:
    """``sources`` and an input cannot pass for one another, nor two inputs that changed places."""
    names = [{"inputs": {"a": "x", "b": "y"}}, {"inputs": {"a": "y", "b": "x"}}, {"inputs": {"sources": "x"}}, {"sources": "x"}]
    assert len({make_key(**one).item_key([]) for one in names}) == len(names)


def test_item_sets_of_older_stores_keep_their_names() -> None:
    """The digest of all of a key but inputs and sources: how sets were named when no stage said what its rows stand for."""
    key = make_key(stage="extract", inputs={"index": "a", "sample": "b"}, sources="s")
    plain = {name: value for name, value in asdict(key).items() if name not in ("inputs", "sources")}
    assert key.item_key(["index", "sample", "sources"]) == digest_value(plain)


def test_equal_content_is_stored_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first = publish(store, make_key(), {"a": "same"})
    second = publish(store, make_key(params={"a": 2}), {"a": "same"})
    assert first.object == second.object
    assert len(list((tmp_path / "objects").glob("*/*"))) == 1
    assert not list((tmp_path / "tmp").iterdir())


def test_published_files_are_read_only(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = publish(store, make_key(), {"a": "x"})
    assert (store.files(record) / "a").stat().st_mode & 0o222 == 0


def test_links_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    temporary = store.new_directory()
    (temporary / "files" / "link").symlink_to("/etc/passwd")
    with pytest.raises(ValueError, match="link"):
        publication.publish(store, temporary, lambda made: pytest.fail("it was made an object"))


def test_a_record_without_its_object_is_no_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = publish(store, make_key(), {"a": "x"})
    (store.object_path(record.object) / "manifest.json").unlink()
    assert store.record(record.digest) is None


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = publish(store, make_key(), {"a": "x"})
    path = store.action_path(record.digest)
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"a": 1', '"a": 2'))
    with pytest.raises(StoreError, match="checksum"):
        store.record(record.digest)


def test_a_file_cut_short_is_noticed_before_the_object_is_used(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = publish(store, make_key(), {"a": "hello"})
    path = store.files(record) / "a"
    path.chmod(0o644)
    path.write_text("hell")
    with pytest.raises(StoreError, match="5 bytes"):
        store.check_object(record.object)


def test_an_unchanged_ref_is_not_rewritten(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.set_ref("d", "s", "n", "k1")
    before = store.ref_path("d", "s", "n").stat().st_mtime_ns
    store.set_ref("d", "s", "n", "k1")
    assert store.ref_path("d", "s", "n").stat().st_mtime_ns == before
    store.set_ref("d", "s", "n", "k2")
    assert store.ref("d", "s", "n") == "k2"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "format.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        Store(tmp_path)


def test_opening_a_store_creates_nothing(tmp_path: Path) -> None:
    Store(tmp_path / "new").record("0" * 64)
    assert not (tmp_path / "new").exists()


def test_two_that_publish_one_result_with_other_lists_of_members_leave_a_record_and_its_list(tmp_path: Path) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    lists = [Members({"v": ("1" * 64, "")}), Members({"v": ("2" * 64, "")})]
    record = publish(store, make_key(), {"a": "x"})
    real, between = store.write, []

    def interrupted(path: Path, data: bytes, *, read_only: bool) -> None:
        """The other one publishes between our list and our record."""
        real(path, data, read_only=read_only)
        if path.suffix == ".members" and not between:
            between.append(other.publish_record(record, lists[1]))

    with mock.patch.object(store, "write", interrupted):
        store.publish_record(record, lists[0])
    found = store.record(record.digest)
    assert between and found is not None
    assert store.members(found).rows == lists[0].rows
