"""Every file operation of a publish, an item append, a ref, a pin and a collection, broken one at a time in every way."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache import faults, gc
from cache.errors import disk_error
from cache.fsck import Fsck
from cache.items import ItemSet
from cache.members import Members
from cache.store import Store
from tests import warm
from tests.cache.conftest import make_key, publish
from tests.cache.publish_everything import publish_everything
from tests.command import PROJECT


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The operations of an undisturbed pass, in order."""
    directory = tmp_path_factory.mktemp("operations")
    assert run(directory / "store", "count:0", directory / "log").returncode == 0
    return (directory / "log").read_text().splitlines()


def run(root: Path, fault: str = "", log: Path | None = None) -> subprocess.CompletedProcess:
    environment = {**os.environ, "KDPIPE_FAULT": fault, "KDPIPE_FAULT_LOG": str(log or "")}
    return warm.run("tests.cache.publish_everything", str(root), cwd=PROJECT, env=environment, light=True, timeout=60)


def contents(root: Path) -> dict[str, bytes]:
    """Everything that lasts, but for what tells the time."""
    rooms = ("actions", "objects", "refs")
    return {str(p.relative_to(root)): p.read_bytes() for room in rooms for p in sorted((root / room).rglob("*")) if p.is_file()}


def look(root: Path) -> None:
    """What a reader sees at any moment: nothing, or something whole."""
    store = Store(root)
    for _, key in store.refs():
        assert store.record(key) is not None, "a ref names what is not there"
    for key in store.keys():  # noqa: SIM118
        record = store.record(key)
        assert record is not None, "a record names an object that is not there"
        store.check_object(record.object, contents=True)
        if record.node != "demo":
            continue
        assert len(store.members(record)) == 4
        assert all(row in store.item_set("demo", record.items) for row, _ in store.members(record).rows.values())
    for stage in (root / "items").glob("*/*"):
        items = ItemSet(stage, writable=False)
        assert all(items.get(key) is not None for key in items.keys())  # noqa: SIM118


def completes(root: Path, whole: dict[str, bytes]) -> None:
    """An undisturbed pass after a disturbed one ends in the same bytes, and in a clean store."""
    again = run(root)
    assert again.returncode == 0, again.stderr
    assert contents(root) == whole
    assert [f for f in Fsck(Store(root), 1.0) if not (f.note and f.kind == "items")] == []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("whole") / "store"
    publish_everything(root)
    return contents(root)


def test_the_operations_cover_what_a_run_writes(operations: list[str]) -> None:
    kinds = {line.split()[0] for line in operations}
    assert kinds >= {"mkdir", "open", "write", "fsync", "rename", "chmod", "unlink", "lock", "unlock"}
    for room in ("items/", "objects/", "actions/", "refs/", "pins/", "format.json", ".members"):
        assert any(room in line for line in operations), room


@pytest.mark.long
@pytest.mark.parametrize("kind", ["kill", "torn"])
def test_a_kill_at_every_operation_leaves_nothing_half_visible(
    kind: str, operations: list[str], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    steps = [n + 1 for n, line in enumerate(operations) if kind == "kill" or line.startswith("write ")]
    assert len(steps) > (60 if kind == "kill" else 8)
    for step in steps:
        root = tmp_path / str(step)
        assert run(root, f"{kind}:{step}").returncode == -signal.SIGKILL, f"{kind}:{step}"
        look(root)
        completes(root, whole)
        shutil.rmtree(root)


@pytest.fixture
def breaking(monkeypatch) -> Iterator[object]:
    def set_fault(text: str) -> None:
        monkeypatch.setattr(faults, "_active", faults.Fault(text) if text else None)

    yield set_fault


@pytest.mark.parametrize("kind", ["enospc", "eio", "estale", "erofs"])
def test_an_error_at_every_operation_is_clear_and_leaves_nothing_half_visible(
    kind: str, operations: list[str], tmp_path: Path, whole: dict[str, bytes], breaking
) -> None:
    for step in range(1, len(operations) + 1):
        root = tmp_path / str(step)
        breaking(f"{kind}:{step}")
        with pytest.raises(OSError) as caught:
            publish_everything(root)
        assert caught.value.errno == faults.ERRORS[kind]
        told = disk_error(caught.value)
        assert told is not None and os.strerror(faults.ERRORS[kind]) in told.message and told.hint
        breaking("")
        look(root)
        publish_everything(root)
        assert contents(root) == whole
        assert [f for f in Fsck(Store(root), 1.0) if not f.note] == []


def test_short_writes_are_carried_on(operations: list[str], tmp_path: Path, whole: dict[str, bytes], breaking) -> None:
    writes = sum(line.startswith("write ") for line in operations)
    for step in range(1, writes + 1):
        root = tmp_path / str(step)
        breaking(f"short:{step}@write")
        publish_everything(root)
        breaking("")
        assert contents(root) == whole
        assert list(Fsck(Store(root), 1.0)) == []


def test_a_rename_whose_reply_was_lost_is_done(operations: list[str], tmp_path: Path, whole: dict[str, bytes], breaking) -> None:
    renames = sum(line.startswith("rename ") for line in operations)
    assert renames > 5
    for step in range(1, renames + 1):
        root = tmp_path / str(step)
        breaking(f"lost:{step}")
        publish_everything(root)
        breaking("")
        assert contents(root) == whole
        assert list(Fsck(Store(root), 1.0)) == []


def test_an_append_that_fails_leaves_the_shard_as_it_was_and_the_rows_for_the_next_flush(tmp_path: Path, breaking) -> None:
    items = ItemSet(tmp_path / "set")
    items.append("1" * 64, b"one")
    items.flush()
    items.append("2" * 64, b"two")
    breaking("enospc:1@write")
    with pytest.raises(OSError):
        items.flush()
    breaking("")
    assert list(ItemSet(tmp_path / "set").keys()) == ["1" * 64]
    items.flush()
    assert sorted(ItemSet(tmp_path / "set").keys()) == ["1" * 64, "2" * 64]


@pytest.mark.long
def test_a_kill_at_every_operation_of_a_collection_removes_nothing_that_is_needed(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from cache import gc; from cache.store import Store\n"
    script += "gc.collect(Store(Path(sys.argv[1])), keep=0, grace=0)"
    whole = tmp_path / "whole"
    publish_everything(whole)
    store = Store(whole)
    old = publish(store, make_key(stage="old"), {"x": "nobody names me"}, members=Members({"v": ("0" * 64, "")}))
    store.ref_path("d", "s", "old").unlink()
    (store.root / "scratch" / ("0" * 32)).mkdir()
    step = 0
    while True:
        step += 1
        root = tmp_path / f"k{step}"
        shutil.copytree(whole, root)
        environment = {**os.environ, "PYTHONPATH": str(PROJECT), "KDPIPE_FAULT": f"kill:{step}"}
        done = subprocess.run([sys.executable, "-c", script, str(root)], env=environment, capture_output=True, timeout=60)
        look(root)
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        Store(root).prepare()
        assert [f for f in Fsck(Store(root), 1.0) if not f.note] == []
    assert step > 6
    assert not Store(root).object_path(old.object).exists() and not Store(root).action_path(old.digest).exists()


def test_a_fault_that_is_no_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="kind:k"):
        faults.Fault("explode:1")
    with pytest.raises(ValueError, match="kind:k"):
        faults.Fault("kill")


def test_errors_that_the_disk_does_not_cause_are_not_told_as_such() -> None:
    assert disk_error(FileNotFoundError(errno.ENOENT, "no such file")) is None
    told = disk_error(OSError("Can't write data (file write failed: errno = 28, error message = 'No space left on device')"))
    assert told is not None and "No space left" in told.message


def test_gc_can_be_asked_without_touching_anything(tmp_path: Path) -> None:
    publish_everything(tmp_path / "store")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*")}
    gc.find(Store(tmp_path / "store"), keep=0, grace=0)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "store").rglob("*")} == before
