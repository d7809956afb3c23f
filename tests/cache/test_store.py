"""Objects, records and refs."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cache.errors import StoreError
from cache.store import Key, Record, Store


def make_key(**changes: object) -> Key:
    fields = {"stage": "demo", "version": 1, "entry": "stages.demo.run:run", "params": {"a": 1}, "code": {"m": "x"}, "inputs": {}}
    return Key(**{**fields, **changes})


def publish(store: Store, key: Key, files: dict[str, str]) -> Record:
    temporary = store.new_directory()
    for name, text in files.items():
        path = temporary / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    manifest = store.publish_object(temporary)
    record = Record(key=key, object=manifest.digest, node="demo", size=manifest.size)
    store.publish_record(record)
    return record


def test_a_published_result_is_found_by_its_key(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = make_key()
    record = publish(store, key, {"a.txt": "hello", "deep/b.txt": "there"})
    found = Store(tmp_path).record(key.digest)
    assert found == record
    assert (store.files(found) / "deep" / "b.txt").read_text() == "there"
    assert found.size == 10


@pytest.mark.parametrize(
    "change",
    [
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
    ],
)
def test_every_component_of_the_key_counts(change: dict) -> None:
    assert make_key(**change).digest != make_key().digest


def test_inputs_and_sources_do_not_name_an_item_set(tmp_path: Path) -> None:
    assert make_key(inputs={"i": "d"}, sources="s").items == make_key().items
    assert make_key(params={"a": 2}).items != make_key().items


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
        store.publish_object(temporary)


def test_a_record_without_its_object_is_no_result(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = publish(store, make_key(), {"a": "x"})
    (store.object_path(record.object) / "manifest.json").unlink()
    assert store.record(record.digest) is None


def test_a_changed_record_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = publish(store, make_key(), {"a": "x"})
    path = store.action_path(record.digest)
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


PUBLISH = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from cache import fs
    from cache.store import Key, Record, Store

    kill_at, count = int(sys.argv[2]), 0

    def counted(function):
        def wrapper(*args, **kwargs):
            global count
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return wrapper

    for name in ("fsync", "rename", "replace", "open", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))
    for name in ("rename", "replace", "mkdir", "unlink", "chmod"):
        setattr(Path, name, counted(getattr(Path, name)))

    store = Store(Path(sys.argv[1]))
    temporary = store.new_directory()
    (temporary / "files" / "a.txt").write_text("hello")
    manifest = store.publish_object(temporary)
    key = Key("demo", 1, "e:f", {}, {}, {})
    store.publish_record(Record(key=key, object=manifest.digest))
    store.set_ref("d", "s", "n", key.digest)
    print("steps", count)
    """
)


def test_a_kill_at_any_step_of_a_publish_leaves_no_partial_result(tmp_path: Path) -> None:
    """SIGKILL before the k-th file-system call, for every k; then a reader looks, and a second run completes."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    def run(root: Path, kill_at: int) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-c", PUBLISH, str(root), str(kill_at)], env=environment, capture_output=True, text=True)

    complete = run(tmp_path / "whole", 0)
    assert complete.returncode == 0, complete.stderr
    steps = int(complete.stdout.split()[1])
    assert steps > 10
    key = Key("demo", 1, "e:f", {}, {}, {}).digest
    for step in range(1, steps + 1):
        root = tmp_path / f"killed{step}"
        assert run(root, step).returncode == -signal.SIGKILL
        store = Store(root)
        record = store.record(key)
        if store.ref("d", "s", "n") is not None:
            assert record is not None
        if record is not None:
            store.check_object(record.object)
            assert (store.files(record) / "a.txt").read_text() == "hello"
        again = run(root, 0)
        assert again.returncode == 0, again.stderr
        assert Store(root).record(key) is not None
