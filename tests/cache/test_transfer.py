"""Push, pull and upstream between stores: what travels, what a kill leaves, what is refused."""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cache import addresses, faults, publication
from cache.digest import FileEntry, Manifest
from cache.directory import Directory
from cache.errors import DamageError, RemoteError, StoreError
from cache.members import Members
from cache.record import Key, Record
from cache.remote import Remote
from cache.store import Store, open_sealed, seal
from cache.transfer import Moved, Transfer, open_remote
from cache.upstream import Upstream
from tests import warm
from tests.command import PROJECT, plain_environment

WORLD = {"a.txt": "hello", "deep/b.txt": "there", "empty": ""}


def make_key(**changes: object) -> Key:
    fields = {"stage": "demo", "version": 1, "entry": "stages.demo.run:run", "params": {"a": 1}, "code": {"m": "x"}, "inputs": {}}
    return Key(**{**fields, **changes})


def publish(store: Store, key: Key, files: dict[str, str], **fields: object) -> Record:
    temporary = store.new_directory()
    for name, text in files.items():
        path = temporary / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    members = Members({"v1": ("0" * 64, "1" * 64)}) if "items" in fields else None
    return publication.publish(store, temporary, lambda made: Record(key=key, object=made.digest, size=made.size, **fields), members)


def row_key(n: int) -> str:
    return hashlib.sha256(b"%d" % n).hexdigest()


def fill(root: Path) -> tuple[Store, Record, Record]:
    """A store with a result, a result made from it that has rows, and a ref for each."""
    store = Store(root)
    world = publish(store, make_key(), WORLD, node="world")
    key = make_key(stage="sample", inputs={"world": world.object})
    rows = store.item_set("sample", key.item_key(["world"]), writable=True)
    for n in range(3):
        rows.append(row_key(n), b"row %d " % n * 20, {"n": n})
    rows.flush()
    sample = publish(store, key, {"rows.json": "[1]"}, node="sample", parents={"world": world.digest}, items=key.item_key(["world"]))
    store.set_ref("d", "s", "world", world.digest)
    store.set_ref("d", "s", "sample", sample.digest)
    return store, world, sample


def push(store: Store, target: Remote | Path, key: str, **options: bool) -> Moved:
    """What the command does: the lineage, then the refs."""
    target = Directory(target) if isinstance(target, Path) else target
    transfer = Transfer(Directory(store.root, own=True), target, **options)
    target.prepare()
    with target.publishing():
        keys = transfer.lineage([key])
        for each in keys:
            transfer.result(each)
        for path, ref in store.refs():
            if ref in keys:
                transfer.ref(path.relative_to(store.root).as_posix(), ref)
    return transfer.moved


def fetch(source: Remote, store: Store, key: str, **options: bool) -> Record | None:
    with store.publishing():
        return Transfer(source, Directory(store.root, own=True), **options).result(key)


def check_sound(root: Path) -> None:
    """Every ref names a record, every record an object, and every object is what its name says."""
    store = Store(root)
    for _, key in store.refs():
        assert store.record(key) is not None
    for key in store.keys():  # noqa: SIM118
        record = store.read_record(key)
        assert record is not None
        store.check_object(record.object, contents=True)
    for digest in store.objects():
        store.check_object(digest, contents=True)
        assert Manifest.of_tree(store.object_path(digest) / "files").digest == digest


def listing(root: Path) -> dict[str, tuple[int, int, bytes]]:
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        found[str(path.relative_to(root))] = (status.st_mtime_ns, status.st_mode, path.read_bytes() if path.is_file() else b"")
    return found


def flip(path: Path, position: int) -> None:
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed process loses nothing that the system holds, so that the disk itself need not be waited for a thousand times."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def memory() -> Iterator[str]:
    fsspec = pytest.importorskip("fsspec")
    yield "memory://team"
    files = fsspec.filesystem("memory")
    if files.exists("/team"):
        files.rm("/team", recursive=True)


# -- what travels -------------------------------------------------------------------------------------------------


def test_a_pushed_directory_is_a_store(tmp_path: Path) -> None:
    store, world, sample = fill(tmp_path / "mine")
    moved = push(store, tmp_path / "team", sample.digest)
    team = Store(tmp_path / "team")
    assert team.record(world.digest) == world and team.record(sample.digest) == sample
    assert team.ref("d", "s", "sample") == sample.digest
    assert (team.files(world) / "deep" / "b.txt").read_text() == "there" and (team.files(world) / "empty").read_bytes() == b""
    assert (team.files(world) / "a.txt").stat().st_mode & 0o222 == 0
    assert team.item_set("sample", sample.items).get(row_key(2)).payload == b"row 2 " * 20
    assert team.members(sample).rows == {"v1": ("0" * 64, "1" * 64)}
    assert (moved.records, moved.objects, moved.shards, moved.refs, moved.there) == (2, 2, 1, 2, 0)
    assert not list((tmp_path / "team" / "tmp").iterdir())


@pytest.mark.parametrize("kind", ["directory", "memory", "file"])
def test_what_is_there_is_not_sent_again(tmp_path: Path, memory: str, kind: str) -> None:
    store, _, sample = fill(tmp_path / "mine")
    place = {"directory": str(tmp_path / "team"), "memory": memory, "file": f"file://{tmp_path}/team"}[kind]
    assert push(store, open_remote(place, create=True), sample.digest).records == 2
    again = push(store, open_remote(place), sample.digest)
    assert again == Moved(there=2)
    other = Store(tmp_path / "other")
    assert fetch(open_remote(place), other, sample.digest) == sample
    assert (other.files(sample) / "rows.json").read_text() == "[1]"
    assert other.item_set("sample", sample.items).get(row_key(1)).meta == {"n": 1}
    check_sound(tmp_path / "other")


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path) -> None:
    store, _, sample = fill(tmp_path / "mine")
    before = listing(store.root)
    target = Directory(tmp_path / "team")
    transfer = Transfer(Directory(store.root, own=True), target, dry_run=True)
    for key in transfer.lineage([sample.digest]):
        transfer.result(key)
    assert (transfer.moved.records, transfer.moved.objects, transfer.moved.shards) == (2, 2, 1)
    assert not (tmp_path / "team").exists() and listing(store.root) == before


def test_a_longer_shard_replaces_a_shorter_one_and_never_the_other_way(tmp_path: Path) -> None:
    store, _, sample = fill(tmp_path / "mine")
    shard = next(store.items_path("sample", sample.items).glob("*.items"))
    whole = shard.read_bytes()
    push(store, tmp_path / "team", sample.digest)
    theirs = Store(tmp_path / "team").items_path("sample", sample.items) / shard.name
    length = len(whole) // 3
    theirs.write_bytes(whole[:length])
    assert push(store, tmp_path / "team", sample.digest).shards == 1
    assert theirs.read_bytes() == whole
    shard.write_bytes(whole[:length])
    assert push(store, tmp_path / "team", sample.digest).shards == 0
    assert theirs.read_bytes() == whole


def test_a_damaged_row_there_is_replaced_when_more_rows_come(tmp_path: Path) -> None:
    store, _, sample = fill(tmp_path / "mine")
    shard = next(store.items_path("sample", sample.items).glob("*.items"))
    push(store, tmp_path / "team", sample.digest)
    theirs = Store(tmp_path / "team").items_path("sample", sample.items) / shard.name
    theirs.write_bytes(shard.read_bytes()[:-50])
    flip(theirs, 60)
    assert not push(store, tmp_path / "team", sample.digest).damaged
    assert theirs.read_bytes() == shard.read_bytes()


@pytest.mark.parametrize("url", [False, True])
def test_a_row_that_is_still_being_written_is_left_for_the_next_time(tmp_path: Path, memory: str, url: bool) -> None:
    store, _, sample = fill(tmp_path / "mine")
    shard = next(store.items_path("sample", sample.items).glob("*.items"))
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-10])
    target = open_remote(memory if url else str(tmp_path / "team"), create=True)
    moved = push(store, target, sample.digest)
    path = shard.relative_to(store.root).as_posix()
    assert target.size(path) == len(whole) // 3 * 2 and not moved.damaged
    shard.write_bytes(whole)
    push(store, target, sample.digest)
    assert target.read(path) == whole


def test_rows_that_were_accepted_from_another_set_come_along(tmp_path: Path) -> None:
    store, _, sample = fill(tmp_path / "mine")
    new = make_key(stage="sample", params={"a": 2})
    rows_of = new.item_key([])
    store.write(store.items_path("sample", rows_of) / "accepted.json", seal({"items": sample.items}))
    accepted = publish(store, new, {"rows.json": "[1]"}, node="sample", items=rows_of)
    push(store, tmp_path / "team", accepted.digest)
    assert Store(tmp_path / "team").item_set("sample", rows_of).get(row_key(0)) is not None
    upstream = Upstream(str(tmp_path / "team"))
    assert [path.name for path in upstream.items("sample", rows_of)] == [sample.items[:32], rows_of[:32]]


def test_pins_travel_and_are_not_replaced(tmp_path: Path) -> None:
    store, _, _ = fill(tmp_path / "mine")
    store.write(store.root / "pins" / "paper.json", seal({"key": "mine"}))
    target = Directory(tmp_path / "team")
    for _ in range(2):
        Transfer(Directory(store.root), target).pin("paper.json")
        store.write(store.root / "pins" / "paper.json", seal({"key": "another"}))
    assert open_sealed((tmp_path / "team" / "pins" / "paper.json").read_bytes()) == {"key": "mine"}


def test_a_result_that_the_target_has_is_kept_even_if_its_bytes_differ(tmp_path: Path) -> None:
    store, world, _ = fill(tmp_path / "mine")
    team = Store(tmp_path / "team")
    theirs = publish(team, world.key, {"a.txt": "not the same"}, node="world")
    assert fetch(Directory(store.root), team, world.digest) == theirs
    assert team.record(world.digest) == theirs


def test_an_object_that_is_gone_is_brought_back(tmp_path: Path) -> None:
    store, world, sample = fill(tmp_path / "mine")
    push(store, tmp_path / "team", sample.digest)
    shutil.rmtree(store.object_path(world.object))
    assert store.record(world.digest) is None
    assert Transfer(Directory(tmp_path / "team"), Directory(store.root, own=True)).repair(world)
    assert store.record(world.digest) == world
    check_sound(store.root)


# -- damage and malice --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [False, True])
def test_a_damaged_source_is_not_pushed(tmp_path: Path, memory: str, url: bool) -> None:
    store, world, sample = fill(tmp_path / "mine")
    flip(store.files(world) / "a.txt", 2)
    target = open_remote(memory if url else str(tmp_path / "team"), create=True)
    with pytest.raises(DamageError, match=rf"(?s)object {world.object[:12]} is damaged: a.txt.*kdpipe fsck --repair"):
        push(store, target, sample.digest)
    assert target.manifest(world.object) is None and target.record(world.digest) is None


@pytest.mark.parametrize("url", [False, True])
@pytest.mark.parametrize("position", [5, 60, 250])
def test_a_damaged_row_is_left_out_and_named(tmp_path: Path, memory: str, url: bool, position: int) -> None:
    store, _, sample = fill(tmp_path / "mine")
    shard = next(store.items_path("sample", sample.items).glob("*.items"))
    flip(shard, position)
    target = open_remote(memory if url else str(tmp_path / "team"), create=True)
    moved = push(store, target, sample.digest)
    assert len(moved.damaged) == 1 and shard.name in moved.damaged[0]
    assert target.size(shard.relative_to(store.root).as_posix()) is None
    assert target.record(sample.digest) is not None


def files_of(store: Store, record: Record) -> list[Path]:
    return [store.action_path(record.digest), *(p for p in store.object_path(record.object).rglob("*") if p.is_file())]


def test_a_flipped_bit_anywhere_in_a_remote_result_is_refused(tmp_path: Path) -> None:
    store, world, _ = fill(tmp_path / "team")
    tried = 0
    for path in files_of(store, world):
        whole = path.read_bytes()
        for position in range(0, len(whole), max(len(whole) // 40, 1)):
            flip(path, position)
            mine = Store(tmp_path / "mine")
            with pytest.raises(DamageError):
                fetch(Directory(store.root), mine, world.digest)
            assert not (mine.root / "actions").exists() and not list(mine.objects())
            path.write_bytes(whole)
            tried += 1
    assert tried > 80
    assert fetch(Directory(store.root), Store(tmp_path / "mine"), world.digest) == world


def lie(store: Store, record: Record, change: Callable[[dict], None]) -> str:
    """Replace a record by one whose checksum is right and whose content is not; returns its key."""
    fields = json.loads(record.dump())["record"]
    change(fields)
    forged = Record(**{**fields, "key": Key(**fields["key"]), "stale_inputs": ()})
    store.action_path(forged.digest).parent.mkdir(parents=True, exist_ok=True)
    store.action_path(record.digest).unlink(missing_ok=True)
    store.action_path(forged.digest).write_bytes(forged.dump())
    return forged.digest


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f.update(object="../../../../etc"),
        lambda f: f.update(object="A" * 64),
        lambda f: f.update(object=f["object"] + "\n"),
        lambda f: f.update(object=7),
        lambda f: f.update(items="../x"),
        lambda f: f.update(members="../x"),
        lambda f: f.update(parents={"x": "../../x"}),
        lambda f: f.update(parents=["x"]),
        lambda f: f.update(size="many"),
        lambda f: f.update(node="\x1b[2Jworld"),
        lambda f: f.update(accepted={"from": "/etc/passwd"}),
        lambda f: f["key"].update(stage="../../../outside"),
        lambda f: f["key"].update(stage="/outside"),
        lambda f: f["key"].update(stage=""),
    ],
)
def test_a_record_that_names_what_cannot_be_is_refused(tmp_path: Path, change: Callable[[dict], None]) -> None:
    store, _, sample = fill(tmp_path / "team")
    key = lie(store, sample, change)
    mine = Store(tmp_path / "mine")
    with pytest.raises(DamageError, match="is damaged"):
        fetch(Directory(store.root), mine, key)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "team"]
    assert not list(mine.objects()) and mine.read_record(key) is None


def hostile(*files: FileEntry) -> Manifest:
    return Manifest(files)


EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    "manifest",
    [
        hostile(FileEntry("../../../../out", 0, EMPTY)),
        hostile(FileEntry("/tmp/out", 0, EMPTY)),
        hostile(FileEntry("a/./b", 0, EMPTY)),
        hostile(FileEntry("a\0b", 0, EMPTY)),
        hostile(FileEntry("", 0, EMPTY)),
        hostile(FileEntry("a", 0, EMPTY), FileEntry("a", 0, EMPTY)),
        hostile(FileEntry("a", 0, EMPTY), FileEntry("a/b", 0, EMPTY)),
        hostile(FileEntry("a", -1, EMPTY)),
        hostile(FileEntry("a", True, EMPTY)),
        hostile(FileEntry("a", 0, "x")),
        hostile(FileEntry("a" * 300, 0, EMPTY)),
        hostile(FileEntry("\ud800", 0, EMPTY)),
    ],
)
def test_a_manifest_with_impossible_files_is_refused(tmp_path: Path, manifest: Manifest) -> None:
    store, world, _ = fill(tmp_path / "team")
    place = store.object_path(manifest.digest)
    (place / "files").mkdir(parents=True)
    (place / "files" / "a").touch()
    (place / "manifest.json").write_bytes(manifest.dump())
    key = lie(store, world, lambda fields: fields.update(object=manifest.digest))
    mine = Store(tmp_path / "mine")
    with pytest.raises(DamageError, match="manifest"):
        fetch(Directory(store.root), mine, key)
    assert not list(mine.objects()) and not list((mine.root / "tmp").iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "team"]


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b'{"files": 3}', b'{"files": [{"path": 3}]}', b"\xff\xfe", b"{}"])
def test_broken_json_is_refused(tmp_path: Path, data: bytes) -> None:
    store, world, _ = fill(tmp_path / "team")
    for path in (store.object_path(world.object) / "manifest.json", store.action_path(world.digest)):
        path.chmod(0o644)
        path.write_bytes(data)
        with pytest.raises(DamageError):
            fetch(Directory(store.root), Store(tmp_path / "mine"), world.digest)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"files": [{"path": 3, "size": 1, "sha256": ""}]}', b"x"])
def test_a_push_replaces_a_broken_manifest(tmp_path: Path, data: bytes) -> None:
    store, world, sample = fill(tmp_path / "mine")
    push(store, tmp_path / "team", sample.digest)
    path = Store(tmp_path / "team").object_path(world.object) / "manifest.json"
    path.chmod(0o644)
    path.write_bytes(data)
    assert push(store, tmp_path / "team", sample.digest).objects == 1
    check_sound(tmp_path / "team")


def test_an_object_under_the_name_of_another_is_refused(tmp_path: Path) -> None:
    store, world, sample = fill(tmp_path / "team")
    shutil.rmtree(store.object_path(world.object))
    shutil.copytree(store.object_path(sample.object), store.object_path(world.object))
    mine = Store(tmp_path / "mine")
    with pytest.raises(DamageError, match="was changed"):
        fetch(Directory(store.root), mine, world.digest)
    assert not list(mine.objects())


def test_a_gigantic_record_is_refused_before_it_is_read(tmp_path: Path) -> None:
    store, world, _ = fill(tmp_path / "team")
    store.action_path(world.digest).chmod(0o644)
    os.truncate(store.action_path(world.digest), 1 << 40)
    with pytest.raises(DamageError, match="more than 64 MB"):
        fetch(Directory(store.root), Store(tmp_path / "mine"), world.digest)


@pytest.mark.parametrize("what", ["file", "files", "object", "record", "manifest", "fifo"])
def test_links_and_special_files_in_a_remote_are_refused(tmp_path: Path, what: str) -> None:
    store, world, _ = fill(tmp_path / "team")
    path = {
        "file": store.files(world) / "a.txt",
        "fifo": store.files(world) / "a.txt",
        "files": store.files(world),
        "object": store.object_path(world.object),
        "record": store.action_path(world.digest),
        "manifest": store.object_path(world.object) / "manifest.json",
    }[what]
    path.rename(tmp_path / "elsewhere")
    os.mkfifo(path) if what == "fifo" else path.symlink_to(tmp_path / "elsewhere")
    mine = Store(tmp_path / "mine")
    with pytest.raises(DamageError, match=r"link|regular"):
        fetch(Directory(store.root), mine, world.digest)
    assert not list(mine.objects()) and mine.read_record(world.digest) is None


@pytest.mark.parametrize("name", ["actions", "objects", "refs", "items", "tmp", "locks"])
def test_nothing_is_written_through_a_link_in_a_remote(tmp_path: Path, name: str) -> None:
    store, _, sample = fill(tmp_path / "mine")
    (tmp_path / "outside").mkdir()
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "format.json").write_text('{"format":2}')
    (tmp_path / "team" / name).symlink_to(tmp_path / "outside")
    try:
        damaged = push(store, open_remote(str(tmp_path / "team"), create=True), sample.digest).damaged
    except DamageError as error:
        damaged = [str(error)]
    assert damaged and "is a link" in damaged[0]
    assert not list((tmp_path / "outside").iterdir())


def test_only_the_files_of_the_manifest_are_fetched(tmp_path: Path) -> None:
    store, world, _ = fill(tmp_path / "team")
    (store.files(world) / "extra.sh").write_text("echo")
    mine = Store(tmp_path / "mine")
    fetch(Directory(store.root), mine, world.digest)
    assert sorted(p.name for p in mine.files(world).rglob("*") if p.is_file()) == ["a.txt", "b.txt", "empty"]


def test_what_somebody_put_into_an_unfinished_transfer_does_not_arrive(tmp_path: Path) -> None:
    store, world, _ = fill(tmp_path / "mine")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    plants = (
        lambda files: (files / "a.txt").symlink_to(secret),
        lambda files: (files / "more").write_text("x"),
        lambda files: os.mkfifo(files / "a.txt"),
    )
    outside = tmp_path / "outside"
    outside.mkdir()
    plants += (lambda files: (files / "deep").symlink_to(outside),)
    for n, plant in enumerate(plants):
        root = tmp_path / f"team{n}"
        files = root / "tmp" / f"transfer-{world.object}" / "files"
        files.mkdir(parents=True)
        plant(files)
        push(store, root, world.digest)
        check_sound(root)
    assert secret.read_text() == "secret" and not list(outside.iterdir())


def test_a_place_that_holds_other_things_is_not_made_a_store(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RemoteError, match=r"thesis\.tex"):
        open_remote(str(tmp_path), create=True)
    with pytest.raises(RemoteError, match="is no store"):
        open_remote(str(tmp_path / "nowhere"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("data", ['{"format": 99}', "x", "{}", '{"format": []}'])
def test_a_newer_or_damaged_format_is_refused(tmp_path: Path, data: str) -> None:
    (tmp_path / "format.json").write_text(data)
    for place in (str(tmp_path), f"file://{tmp_path}"):
        with pytest.raises(RemoteError, match="format"):
            open_remote(place, create=True)


def test_an_unknown_protocol_and_a_missing_package_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RemoteError, match="nosuch"):
        open_remote("nosuch://x")
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(RemoteError, match=r"(?s)needs fsspec.*kdpipe\[remote\]"):
        open_remote("s3://x/y")


# -- kills and errors ---------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("kind", ["kill:{}", "torn:{}@write"])
@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_kill_at_any_step_leaves_nothing_half_visible_and_a_rerun_completes(tmp_path: Path, direction: str, kind: str) -> None:
    """In a small process, of which a fork is made for every step."""
    words = (str(tmp_path), direction, kind)
    done = warm.run("tests.cache.kill_transfers", *words, cwd=PROJECT, env=plain_environment(), light=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > (40 if kind == "kill:{}" else 8)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["enospc:{}", "eio:{}", "short:{}@write"])
def test_a_disk_error_at_any_step_leaves_nothing_half_visible(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _, sample = fill(tmp_path / "from")
    failures, k = 0, 0
    while True:
        k += 1
        root = tmp_path / f"to{k}"
        fault = faults.Fault(kind.format(k))
        monkeypatch.setattr(faults, "_active", fault)
        try:
            push(store, root, sample.digest)
        except OSError:
            failures += 1
        monkeypatch.setattr(faults, "_active", None)
        if root.exists():
            check_sound(root)
        push(store, root, sample.digest)
        check_sound(root)
        assert Store(root).record(sample.digest) == sample
        if fault.seen < k:
            break
    assert k > 8 and failures == 0 if kind.startswith("short") else failures > 40


class Counting(Directory):
    """A directory that tells where it was read from."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.read_from: list[tuple[str, int]] = []

    def chunks(self, path: str, start: int = 0) -> Iterator[bytes]:
        if "/files/" in path:
            self.read_from.append((path.rpartition("/")[2], start))
        return super().chunks(path, start)


def begun(store: Store, record: Record, parts: dict[str, bytes]) -> None:
    """What a killed transfer of a record's object left."""
    files = store.root / "tmp" / f"transfer-{record.object}" / "files"
    files.mkdir(parents=True)
    for name, data in parts.items():
        (files / name).write_bytes(data)


def test_a_transfer_goes_on_where_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path / "team")
    record = publish(store, make_key(), {"a": "first file", "b": "second file", "c": "third"})
    mine = Store(tmp_path / "mine")
    begun(mine, record, {"a": b"first file", "b": b"second"})
    source = Counting(store.root)
    sent: list[int] = []
    Transfer(source, Directory(mine.root), travelled=sent.append).result(record.digest)
    assert dict(source.read_from) == {"b": 6, "c": 0, "a": 10} or dict(source.read_from) == {"b": 6, "c": 0}
    assert sum(sent) == len(" file") + len("third")
    check_sound(mine.root)


@pytest.mark.parametrize("part", [b"wrong!", b"much longer than the file that it should become", b"second fil3"])
def test_a_wrong_beginning_is_thrown_away(tmp_path: Path, part: bytes) -> None:
    store = Store(tmp_path / "team")
    record = publish(store, make_key(), {"b": "second file"})
    mine = Store(tmp_path / "mine")
    begun(mine, record, {"b": part})
    fetch(Directory(store.root), mine, record.digest)
    assert (mine.files(record) / "b").read_text() == "second file"


def test_a_file_that_reads_differently_than_it_was_written_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, world, _ = fill(tmp_path / "team")
    mine = Store(tmp_path / "mine")
    monkeypatch.setattr("cache.arrival._forget_cached", lambda path: path.write_bytes(b"x"))
    with pytest.raises(StoreError, match="reads differently"):
        fetch(Directory(store.root), mine, world.digest)
    assert not list(mine.objects()) and mine.read_record(world.digest) is None


def test_a_file_that_a_killed_push_left_whole_behind_a_url_is_not_sent_again(tmp_path: Path, memory: str) -> None:
    store, world, _ = fill(tmp_path / "mine")
    target = open_remote(memory, create=True)
    target.write(f"objects/{world.object[:2]}/{world.object}/files/a.txt", b"hello")
    sent: list[int] = []
    Transfer(Directory(store.root), target, travelled=sent.append).result(world.digest)
    assert sum(sent) == len("there")


def test_a_url_that_gives_back_other_bytes_gets_no_manifest(tmp_path: Path, memory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store, world, _ = fill(tmp_path / "mine")
    target = open_remote(memory, create=True)
    monkeypatch.setattr("cache.url.Url._digest", lambda self, path: "0" * 64)
    with pytest.raises(RemoteError, match="reads differently"):
        push(store, target, world.digest)
    assert target.manifest(world.object) is None and target.record(world.digest) is None


def test_many_pushes_at_once_give_one_sound_store(tmp_path: Path) -> None:
    store, _, sample = fill(tmp_path / "mine")
    for n in range(8):
        publish(store, make_key(params={"n": n}), {"x": str(n) * 1000})
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            try:
                for key in (sample.digest, *store.keys()):
                    push(store, tmp_path / "team", key)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    while any(os.waitpid(child, os.WNOHANG)[0] == 0 for child in children[:1]):
        if (tmp_path / "team").exists():
            check_sound(tmp_path / "team")
    assert [os.waitpid(child, 0)[1] for child in children[1:]] == [0, 0, 0]
    check_sound(tmp_path / "team")
    assert len(list(Store(tmp_path / "team").keys())) == 10
    assert not list((tmp_path / "team" / "tmp").iterdir())


def test_a_pull_beside_a_push_gets_whole_results_or_none(tmp_path: Path) -> None:
    store = Store(tmp_path / "mine")
    keys = [publish(store, make_key(params={"n": n}), {"x": str(n) * 5000, "y": "1"}).digest for n in range(30)]
    child = os.fork()
    if child == 0:
        try:
            for key in keys:
                push(store, tmp_path / "team", key)
            os._exit(0)
        finally:
            os._exit(1)
    got: set[str] = set()
    while len(got) < len(keys) and os.waitpid(child, os.WNOHANG)[0] == 0:
        for key in keys:
            if fetch(Directory(tmp_path / "team"), Store(tmp_path / "other"), key) is not None:
                got.add(key)
    check_sound(tmp_path / "other")
    check_sound(tmp_path / "team")
    assert len(list(Store(tmp_path / "team").keys())) == 30


def test_a_push_beside_a_run_that_appends_rows_takes_whole_rows_only(tmp_path: Path) -> None:
    store, _, sample = fill(tmp_path / "mine")
    stop = threading.Event()

    def work() -> None:
        rows = store.item_set("sample", sample.items, writable=True)
        for n in range(100, 400):
            rows.append(row_key(n), b"x" * 1000)
            rows.flush()
        stop.set()

    worker = threading.Thread(target=work)
    worker.start()
    while not stop.is_set():
        assert not push(store, tmp_path / "team", sample.digest).damaged
    worker.join()
    assert not push(store, tmp_path / "team", sample.digest).damaged
    theirs = Store(tmp_path / "team").item_set("sample", sample.items)
    assert len(theirs) == 303 and all(theirs.get(key) is not None for key in list(theirs.keys()))


def test_a_killed_push_to_a_url_leaves_no_object_without_all_its_files(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    store, world, sample = fill(tmp_path / "mine")
    place = f"file://{tmp_path}/team"
    target = open_remote(place, create=True)
    for manifest in (store.manifest(world.object), store.manifest(sample.object)):
        for entry in manifest.files[:-1]:  # what is there before the manifest is written
            path = tmp_path / "team" / "objects" / manifest.digest[:2] / manifest.digest / "files" / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"half")
        assert target.manifest(manifest.digest) is None and not target.has_object(manifest)
    with pytest.raises(RemoteError, match="is no store"):
        open_remote(place)
    shutil.rmtree(tmp_path / "team")
    push(store, open_remote(place, create=True), sample.digest)
    check_sound(tmp_path / "team")


@pytest.mark.parametrize("url", [False, True])
def test_a_verifying_push_mends_what_is_damaged_there(tmp_path: Path, url: bool) -> None:
    store, world, sample = fill(tmp_path / "mine")
    place = f"file://{tmp_path}/team" if url else str(tmp_path / "team")
    push(store, open_remote(place, create=True), sample.digest)
    flip(tmp_path / "team" / "objects" / world.object[:2] / world.object / "files" / "a.txt", 0)
    assert push(store, open_remote(place), sample.digest).objects == 0
    assert push(store, open_remote(place), sample.digest, verify=True).objects == 1
    check_sound(tmp_path / "team")


# -- upstream -----------------------------------------------------------------------------------------------------


def test_upstream_gives_results_and_rows_and_is_never_written_to(tmp_path: Path) -> None:
    _, world, sample = fill(tmp_path / "team")
    before = listing(tmp_path / "team")
    mine, said = Store(tmp_path / "mine"), []
    upstream = Upstream(str(tmp_path / "team"), said.append)
    assert upstream.fetch(mine, world.digest) == world and upstream.fetch(mine, sample.digest) == sample
    assert upstream.fetch(mine, "0" * 64) is None
    assert not mine.items_path("sample", sample.items).exists()  # rows are read where they are
    rows = mine.item_set("sample", sample.items, writable=True, also=upstream.items("sample", sample.items))
    assert rows.get(row_key(1)).meta == {"n": 1}
    rows.append(row_key(9), b"new")
    rows.flush()
    assert said == []  # it speaks of damage only
    assert upstream.items("sample", "0" * 64) == []
    assert listing(tmp_path / "team") == before
    check_sound(mine.root)


def test_upstream_behind_a_url_brings_the_rows_along(tmp_path: Path, memory: str) -> None:
    store, _, sample = fill(tmp_path / "from")
    push(store, open_remote(memory, create=True), sample.digest)
    mine = Store(tmp_path / "mine")
    upstream = Upstream(memory)
    assert upstream.fetch(mine, sample.digest) == sample
    assert upstream.items("sample", sample.items) == []
    assert mine.item_set("sample", sample.items).get(row_key(0)) is not None


def test_a_damaged_result_of_upstream_is_computed_instead(tmp_path: Path) -> None:
    store, world, _ = fill(tmp_path / "team")
    flip(store.files(world) / "a.txt", 0)
    said: list[str] = []
    mine = Store(tmp_path / "mine")
    assert Upstream(str(tmp_path / "team"), said.append).fetch(mine, world.digest) is None
    assert "not taken from upstream" in said[0] and not list(mine.objects())


def test_upstream_is_not_opened_before_it_is_asked(tmp_path: Path) -> None:
    upstream = Upstream(str(tmp_path / "nowhere"))
    with pytest.raises(RemoteError, match="is no store"):
        upstream.fetch(Store(tmp_path / "mine"), "0" * 64)


def test_an_object_that_the_target_had_and_that_goes_meanwhile_is_brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks keep gc away from a transfer, but not on every file system."""
    store, world, _ = fill(tmp_path / "mine")
    target = Directory(tmp_path / "team")
    push(store, target, world.digest)
    twin = publish(store, make_key(params={"a": 2}), WORLD, node="world")
    assert twin.object == world.object
    real, gone = Directory.write, tmp_path / "gone"

    def interrupted(self: Directory, path: str, data: bytes, *, read_only: bool = True) -> None:
        if path == addresses.record(twin.digest):
            target.store.object_path(world.object).rename(gone)
        real(self, path, data, read_only=read_only)

    monkeypatch.setattr(Directory, "write", interrupted)
    push(store, target, twin.digest)
    assert gone.is_dir()
    target.store.check_object(twin.object, contents=True)
