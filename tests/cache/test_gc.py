"""gc: what refs, pins, recent results and running stages need stays; the rest goes, and only when asked."""

import dataclasses
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from cache import fs, gc, pins, publication
from cache.errors import GoneError, StoreError
from cache.fsck import Fsck
from cache.gc import DAY
from cache.record import Record
from cache.store import Store
from tests.cache.conftest import build_small, make_key, publish

PROJECT = Path(__file__).parents[2]


def chain(store: Store, version: int):
    """index -> extract -> student under one setting; the refs follow."""
    index = publish(store, make_key(stage="index", params={"v": version}), {"i": f"index {version}"}, created=version)
    extract = publish(
        store,
        make_key(stage="extract", params={"v": version}, inputs={"index": index.object}),
        {"e": f"features {version}"},
        parents={"index": index.digest},
        created=version,
    )
    student = publish(
        store,
        make_key(stage="student", params={"v": version}, inputs={"extract": extract.object}),
        {"s": f"student {version}"},
        parents={"extract": extract.digest},
        created=version,
    )
    return index, extract, student


def left(store: Store, *records) -> list[bool]:
    return [store.record(record.digest) is not None for record in records]


def collect(store: Store, **how) -> list[str]:
    return sorted(f"{r.kind}" for r in gc.collect(store, **{"keep": 0, "grace": 0, **how}))


def test_a_dry_run_names_what_would_go_and_touches_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = chain(store, 1), chain(store, 2)
    found = gc.find(store, keep=0, grace=0)
    assert sorted(r.kind for r in found) == ["object"] * 3 + ["record"] * 3
    assert sum(r.size for r in found) > 0
    assert left(store, *old, *new) == [True] * 6


def test_what_refs_name_stays_with_all_that_it_was_made_from(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = chain(store, 1), chain(store, 2)
    assert collect(store) == ["object"] * 3 + ["record"] * 3
    assert left(store, *old, *new) == [False] * 3 + [True] * 3
    assert [f for f in Fsck(store, 1.0) if not f.note] == []


def test_a_ref_back_to_an_old_result_keeps_everything_below_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, new = chain(store, 1), chain(store, 2)
    store.set_ref("d", "s", "student", old[2].digest)
    collect(store)
    assert left(store, *old, *new) == [True, True, True, True, True, False]


def test_pins_keep_what_they_name_and_alone_only_that(tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, second, _ = chain(store, 1), chain(store, 2), chain(store, 3)
    pins.pin(store, "paper", first[2])
    pins.pin(store, "weights", second[2], alone=True)
    collect(store)
    assert left(store, *first) == [True] * 3
    assert left(store, *second) == [False, False, True]
    assert all(store.read_record(record.digest) for record in second)  # where it came from is still told
    assert [f for f in Fsck(store, 1.0) if not f.note] == []
    pins.unpin(store, "paper")
    collect(store)
    assert left(store, *first) == [False] * 3


def test_the_last_results_of_every_node_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = [chain(store, n) for n in (1, 2, 3, 4)]
    collect(store, keep=2)
    assert [left(store, *records) for records in made] == [[False] * 3, [False] * 3, [True] * 3, [True] * 3]


def test_young_things_are_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    old, _ = chain(store, 1), chain(store, 2)
    assert collect(store, grace=DAY) == []
    for path in [store.action_path(r.digest) for r in old] + [p for r in old for p in _inside(store.object_path(r.object))]:
        os.utime(path, (time.time() - 2 * DAY,) * 2)
    assert collect(store, grace=DAY) == ["object"] * 3 + ["record"] * 3


def _inside(path: Path) -> list[Path]:
    return [path, *path.iterdir()]


def test_item_sets_that_a_kept_result_shares_stay(tmp_path: Path) -> None:
    small = build_small(tmp_path / "store")
    store = small.store
    twin = publish(
        store, dataclasses.replace(small.features.key, inputs={"index": "other"}), {"x": "y"}, items=small.features.items, node="twin"
    )
    pins.unpin(store, "../Best\0 of all")
    store.ref_path("d", "s", "extract").unlink()
    directory = store.items_path("extract", small.features.items)
    collect(store)
    assert store.record(small.features.digest) is None and directory.exists()
    store.ref_path("d", "s", "twin").unlink()
    collect(store)
    assert store.record(twin.digest) is None and not directory.exists()


def test_rows_that_an_accepted_result_stands_on_stay(tmp_path: Path) -> None:
    small = build_small(tmp_path / "store")
    store = small.store
    later = make_key(stage="extract", code={"m": "y"})
    pins.unpin(store, "../Best\0 of all")
    accepted = {"because": "renamed", "from": small.features.digest, "when": ""}
    publish(store, later, {"x": "y"}, items=later.item_key(["index"]), accepted=accepted)
    collect(store)
    assert store.items_path("extract", small.features.items).exists()
    assert store.record(small.features.digest) is not None  # an acceptance can be undone


def test_what_a_running_stage_holds_stays(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    old, _ = chain(store, 1), chain(store, 2)
    items = store.items_path("extract", "f" * 64)
    items.mkdir(parents=True)
    script = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from cache.store import Store
        uses = {{"actions": ["{old[1].digest}"], "objects": [], "items": ["extract/{"f" * 64}"]}}
        with Store(Path(sys.argv[1])).running("a" * 64, what="student", uses=uses) as scratch:
            (scratch / "checkpoint").write_text("x")
            print("held", flush=True)
            time.sleep(60)
    """)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen([sys.executable, "-c", script, str(store.root)], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    assert [holder.what for holder in store.holders()] == ["student"]
    collect(store)
    assert left(store, *old) == [True, True, False] and items.exists()
    assert (store.scratch_path("a" * 64) / "checkpoint").exists()
    process.kill()
    process.wait()
    assert collect(store) == ["items", "object", "object", "record", "record", "scratch"]


def test_damage_stops_a_collection(tmp_path: Path) -> None:
    store = Store(tmp_path)
    chain(store, 1)
    index, _, _ = chain(store, 2)
    store.action_path(index.digest).chmod(0o644)
    store.action_path(index.digest).write_text("{}")
    with pytest.raises(StoreError, match="damaged"):
        gc.find(store, keep=0, grace=0)
    store.action_path(index.digest).unlink()
    with pytest.raises(StoreError, match="names a record that is not there"):
        gc.find(store, keep=0, grace=0)


def test_a_publication_and_a_collection_keep_out_of_each_others_way(tmp_path: Path) -> None:
    """A result is published between mark and sweep: either gc comes first and it is written anew, or it is kept."""
    store = Store(tmp_path)
    old, _ = chain(store, 1), chain(store, 2)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    script = "import sys; from pathlib import Path; from cache import gc; from cache.store import Store\n"
    script += "gc.collect(Store(Path(sys.argv[1])), keep=0, grace=0)"
    temporary = store.new_directory()
    (temporary / "files" / "i").write_text("index 1")  # the bytes of a result that nothing needs any more
    with store.publishing():
        collecting = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], env=environment)
        time.sleep(0.5)
        assert not store.name_object(temporary, store.manifest(old[0].object))  # found to be there
        store.set_ref("d", "s", "index", old[0].digest)
        time.sleep(0.3)
    assert collecting.wait(30) == 0
    assert left(store, *old) == [True, False, False]


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose locks fail, so that nothing keeps gc and publications apart."""

    def refuse(*args: object) -> None:
        raise OSError(37, "no locks available")

    monkeypatch.setattr("fcntl.flock", refuse)


def forgotten(store: Store) -> tuple[Path, Record]:
    """An object that no record names any more, of an old time; and the record that a publication of equal bytes makes."""
    record = publish(store, make_key(), {"a": "same"})
    fs.remove_file(store.action_path(record.digest))
    fs.remove_file(store.ref_path("d", "s", "demo"))
    for path in (store.object_path(record.object), *store.object_path(record.object).iterdir()):
        os.utime(path, (1.0, 1.0))
    temporary = store.new_directory()
    (temporary / "files" / "a").write_text("same")
    return temporary, record


def test_an_object_that_is_used_again_is_young_again(tmp_path: Path) -> None:
    store = Store(tmp_path)
    temporary, record = forgotten(store)
    assert [r.kind for r in gc.find(store, grace=DAY)] == ["object"]
    assert not store.name_object(temporary, store.manifest(record.object))
    assert gc.find(store, grace=DAY) == []


@pytest.mark.parametrize("at", ["_write_record", "object_path"])
def test_an_object_that_goes_while_its_record_is_written_is_published_again(
    tmp_path: Path, no_locks: None, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    store = Store(tmp_path)
    temporary, record = forgotten(store)
    real, collected = getattr(Store, at), []

    def interrupted(self: Store, *arguments: object) -> object:
        if self is store and not collected and (at == "_write_record" or self.action_path(record.digest).exists()):
            collected.extend(collect(Store(tmp_path)) or ["nothing"])
        return real(self, *arguments)

    monkeypatch.setattr(Store, at, interrupted)
    publication.publish(store, temporary, lambda made: record)
    assert "object" in collected
    store.check_object(record.object, contents=True)
    assert store.record(record.digest) == record and not list((tmp_path / "tmp").iterdir())


def test_what_is_named_while_it_is_collected_is_put_back(tmp_path: Path, no_locks: None, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    old, _ = chain(store, 1), chain(store, 2)
    temporary, record = forgotten(store)
    real = gc.find

    def interrupted(*arguments: object, **how: object) -> list[gc.Rubbish]:
        found = real(*arguments, **how)
        publication.publish(store, temporary, lambda made: record)
        store.set_ref("d", "s", "index", old[0].digest)
        return found

    monkeypatch.setattr(gc, "find", interrupted)
    assert collect(store) == ["object"] * 2 + ["record"] * 2  # of the old extract and student alone
    assert left(store, record, *old) == [True, True, False, False]
    store.check_object(record.object, contents=True)
    assert [f for f in Fsck(store, 1.0) if not f.note] == []


def test_a_record_whose_object_went_for_good_is_not_left(tmp_path: Path, no_locks: None) -> None:
    store = Store(tmp_path)
    _, record = forgotten(store)
    collect(store)
    with pytest.raises(GoneError, match="run it again"):
        store.publish_record(record)
    assert store.read_record(record.digest) is None


def test_a_twin_that_is_collected_while_another_is_given_its_name_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is taken when it is asked for, and free when one looks who has it."""
    final, mine = tmp_path / "objects" / "ab", tmp_path / "tmp" / "mine"
    for directory in (final, mine):
        directory.mkdir(parents=True)
        (directory / "manifest.json").write_text("{}")
    rename = Path.rename

    def collected_at_once(self: Path, target: Path) -> Path:
        try:
            return rename(self, target)
        except OSError:
            (target / "manifest.json").unlink()
            target.rmdir()
            raise

    monkeypatch.setattr(Path, "rename", collected_at_once)
    assert fs.publish_directory(mine, final)
    assert (final / "manifest.json").exists() and not mine.exists()
