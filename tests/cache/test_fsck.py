"""fsck: every kind of damage is found and named, and repair leaves a store that the next run completes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cache import expendable
from cache.errors import StoreError
from cache.finding import Finding
from cache.fsck import Fsck
from cache.hdf5 import FeatureReader, damaged_rows
from cache.record import Record
from cache.repair import repair
from cache.store import Store
from tests.cache.conftest import build_small, publish


def check(store: Store, share: float = 1.0) -> list[Finding]:
    return list(Fsck(Store(store.root), share, damaged_rows=damaged_rows))


def damage(store: Store, share: float = 1.0) -> list[Finding]:
    return [finding for finding in check(store, share) if not finding.note]


def put(path: Path, data: bytes) -> None:
    """Change a file in place, as rot does: rights and time stamps stay."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)


def flip(path: Path, position: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    put(path, bytes(data))


#: Room -> the part of fsck that looks there, after all the others.
LAST = {"failures": expendable.sealed, "imports": expendable.sealed, "memo": expendable.memo}


def is_damaged(store: Store, room: str = "") -> bool:
    """Whether fsck finds anything: it is asked no further. First it is asked for what lies in ``room``, if that would come last."""
    opened = Store(store.root)

    def found() -> Iterator[Finding]:
        if room in LAST:
            yield from LAST[room](opened)
        yield from Fsck(opened, 1.0, damaged_rows=damaged_rows)

    return any(not finding.note for finding in found())


def mend(store: Store) -> None:
    repair(store, lambda: Fsck(Store(store.root), 1.0, damaged_rows=damaged_rows), damage(store))


def test_a_sound_store_is_clean(small) -> None:
    assert check(small.store) == []


def test_what_was_looked_at_is_counted(small) -> None:
    fsck = Fsck(small.store, 1.0)
    assert list(fsck) == []
    assert (fsck.checked.records, fsck.checked.objects, fsck.checked.refs, fsck.checked.rows) == (2, 2, 2, 4)
    assert fsck.checked.bytes > 4 * 3 * 8 * 4


@pytest.mark.long
def test_every_flipped_bit_is_found(small) -> None:
    """Every bit of the small files; of the feature file and the memo a seeded share of the positions, each with every bit.

    The first bits of each file are looked for in the order of fsck, the others first where they lie.
    """
    missed, flips = [], 0
    for path in small.files:
        good, room = path.read_bytes(), path.relative_to(small.store.root).parts[0]
        step = 1 if len(good) < 600 else 11 if len(good) < 5000 else 61
        for position in range(0, len(good), step):
            for bit in range(8):
                flips += 1
                bad = bytearray(good)
                bad[position] ^= 1 << bit
                put(path, bytes(bad))
                try:
                    found = is_damaged(small.store, room if position else "")
                except StoreError as error:  # the marker itself: the store is refused before anything is read
                    assert path.name == "format.json", error
                    continue
                if not found:
                    missed.append((path.relative_to(small.store.root), position, bit))
        put(path, good)
    assert flips > 5000
    assert missed == []
    assert check(small.store) == []


def test_a_flipped_bit_of_a_feature_row_names_its_video_and_is_refused_by_reads(small) -> None:
    path = small.store.files(small.features) / "feat.h5"
    row = FeatureReader(path).row("video2").tobytes()
    flip(path, path.read_bytes().index(row) + 17, 3)
    found, pin = damage(small.store)
    assert found.items == ("video2",) and found.kind == "object" and pin.kind == "pin"
    assert "kdpipe run extract --dataset d --system s" in found.repair
    with pytest.raises(StoreError, match="video2"):
        FeatureReader(path).row("video2")
    with pytest.raises(StoreError, match="damaged"):
        small.store.check_object(small.features.object, contents=True)
    assert FeatureReader(path).row("video1").shape == (3, 8)


def test_a_flipped_bit_of_an_item_row_names_its_video_and_is_refused_by_reads(small) -> None:
    (shard,) = small.store.items_path("extract", small.features.items).glob("*.items")
    flip(shard, shard.stat().st_size - 40, 0)
    (found,) = damage(small.store)
    assert found.items == ("video3",)
    with pytest.raises(StoreError, match="damaged"):
        small.store.item_set("extract", small.features.items).get(small.rows[3])


def test_a_structure_check_reads_no_contents_but_finds_missing_and_short_files(small) -> None:
    path = small.store.files(small.plain) / "index.json"
    good = path.read_bytes()
    flip(path, 3, 1)
    assert damage(small.store, 0.0) == []
    put(path, good[:-1])
    assert [f.path for f in damage(small.store, 0.0)] == [path]
    path.unlink()
    assert "not there" in damage(small.store, 0.0)[0].what


def test_a_sample_finds_widespread_rot_and_reads_less(small) -> None:
    for n in range(30):
        publish(small.store, small.plain.key.__class__(**{**vars(small.plain.key), "params": {"n": n}}), {"x": f"same size {n:03d}"})
    for path in small.store.root.glob("objects/*/*/files/x"):
        flip(path, 0, 0)
    fsck = Fsck(small.store, 0.3, seed=1)
    found = [f for f in fsck if not f.note]
    assert 0 < len(found) < 30


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_files_that_are_links_unreadable_or_extra_are_found(small, share: float) -> None:
    files = small.store.files(small.plain)
    (files / "extra").write_text("who put this here?")
    target = files / "index.json"
    shutil.copy(target, small.store.root.parent / "copy")
    target.unlink()
    target.symlink_to(small.store.root.parent / "copy")
    found = {f.path.name: f.what for f in damage(small.store, share)}
    assert "not in the manifest" in found["extra"] and "link" in found["index.json"]


def test_a_writable_object_is_found_and_mended(small) -> None:
    path = small.store.files(small.plain) / "index.json"
    path.chmod(0o644)
    (found,) = damage(small.store)
    assert found.kind == "mode" and found.path == path
    mend(small.store)
    assert check(small.store) == [] and path.stat().st_mode & 0o222 == 0


def test_a_file_without_the_right_to_read_is_found(small, monkeypatch) -> None:
    path = small.store.files(small.plain) / "index.json"
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda p, mode: str(p) != str(path) and allowed(p, mode))  # the tests may run as root
    assert "rights" in damage(small.store)[0].what


def test_a_dangling_ref_names_the_command_that_makes_the_result(small) -> None:
    small.store.action_path(small.features.digest).unlink()
    found = {f.kind: f for f in damage(small.store)}
    assert found["ref"].repair == "kdpipe run extract --dataset d --system s"
    assert "pin" in found


def test_an_object_that_is_gone_is_named_with_its_ref_and_its_pin(small) -> None:
    shutil.rmtree(small.store.object_path(small.features.object))
    kinds = [(f.kind, f.note) for f in check(small.store)]
    assert sorted(kinds) == [("pin", False), ("record", True), ("ref", False)]


def test_rows_that_are_gone_are_named_by_their_ids(small) -> None:
    shutil.rmtree(small.store.items_path("extract", small.features.items))
    (found,) = damage(small.store)
    assert found.items == ("video0", "video1", "video2", "video3") and "rows behind extract are gone" in found.what


def test_what_a_kill_leaves_behind_is_a_note_and_not_damage(small) -> None:
    (shard,) = small.store.items_path("extract", small.features.items).glob("*.items")
    with shard.open("ab") as file:
        file.write(shard.read_bytes()[:70])
    (small.store.root / "tmp" / "host_boot_1_1_abc").mkdir()
    assert sorted((f.kind, f.note) for f in check(small.store)) == [("items", True)]  # a process on another machine may be alive
    name = small.store.temporary().name.split("_")
    name[3] = str(int(name[3]) + 1)  # our pid, but of an earlier process
    (small.store.root / "tmp" / "_".join(name)).mkdir()
    assert sorted((f.kind, f.note) for f in check(small.store)) == [("items", True), ("temporary", True)]


def test_repair_puts_damage_aside_keeps_the_sound_rows_and_deletes_nothing(small) -> None:
    (shard,) = small.store.items_path("extract", small.features.items).glob("*.items")
    size = sum(path.stat().st_size for path in small.files)
    flip(shard, 40, 0)  # the head of the first row: nothing behind it may be lost
    mend(small.store)
    assert [f.kind for f in damage(small.store)] == ["pin"]  # what it kept comes back with the rerun
    items = Store(small.store.root).item_set("extract", small.features.items)
    assert [key in items for key in small.rows] == [False, True, True, True]
    assert items.get(small.rows[2]).payload  # type: ignore[union-attr]
    assert small.store.record(small.features.digest) is None  # its rows are not all there: it is made again
    assert sum(path.stat().st_size for path in small.files) >= size
    assert list((small.store.root / "quarantine").rglob(shard.name))


def test_after_repair_and_a_rerun_everything_is_as_it_was(tmp_path: Path) -> None:
    small = build_small(tmp_path / "store")
    before = {path.relative_to(small.store.root): path.read_bytes() for path in small.files}
    flip(small.store.object_path(small.plain.object) / "manifest.json", 30, 2)
    flip(small.store.action_path(small.features.digest), 50, 1)
    flip(small.store.ref_path("d", "s", "index"), 3, 1)
    mend(small.store)
    assert {f.kind for f in damage(small.store)} <= {"pin"}
    build_small(tmp_path / "store")
    assert check(small.store) == []
    after = {path.relative_to(small.store.root): path.read_bytes() for path in small.files}
    differ = [path for path, data in before.items() if after[path] != data and path.parts[0] not in ("memo", "failures")]
    assert differ == []


def test_a_damaged_twin_is_put_aside_when_the_same_content_is_published_again(small) -> None:
    path = small.store.files(small.plain) / "deep" / "b.txt"
    flip(path, 0, 0)
    again: Record = publish(small.store, small.plain.key, {"index.json": '{"a": 1}', "deep/b.txt": "there"})
    assert again.object == small.plain.object
    assert path.read_text() == "there"
    assert check(small.store) == []
