"""A store against a plain model, under random sequences of everything that can be done to one."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cache import faults, gc, pins
from cache.digest import Manifest
from cache.directory import Directory
from cache.fsck import Fsck
from cache.members import Members
from cache.publication import publish
from cache.record import Key, Record
from cache.repair import repair
from cache.store import Store
from cache.transfer import Transfer
from tests.cache.conftest import make_key

NODES = st.sampled_from(["index", "sample", "student"])
SETTINGS = st.integers(0, 2)
CONTENTS = st.sampled_from([b"", b"one", b"two" * 100])
ROWS = st.integers(0, 5)


def row_key(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


class StoreMachine(RuleBasedStateMachine):
    """The model: results by key (their files), refs, pins, rows by set. Whatever happens, the store agrees or says that it is damaged."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.store = Store(self.directory / "store")
        self.remote = Store(self.directory / "remote")
        self.results: dict[str, dict[str, bytes]] = {}
        self.records: dict[str, Record] = {}
        self.refs: dict[str, str] = {}
        self.pins: dict[str, str] = {}
        self.rows: dict[str, dict[str, bytes]] = {}

    def teardown(self) -> None:
        faults._active = None
        shutil.rmtree(self.directory)

    @initialize()
    def begin(self) -> None:
        self.store.prepare()

    # -- what people and stages do ------------------------------------------------------------------------------------

    def key(self, node: str, setting: int) -> Key:
        return make_key(stage=node, params={"setting": setting})

    def publish(self, node: str, setting: int, content: bytes) -> None:
        key = self.key(node, setting)
        temporary = self.store.new_directory()
        (temporary / "files" / "deep").mkdir()
        (temporary / "files" / "a").write_bytes(content)
        (temporary / "files" / "deep" / "b").write_bytes(node.encode())
        with self.store.publishing():
            about = {"node": node, "dataset": "d", "system": "s", "created": float(len(self.results))}
            members = Members({"v": ("", "")})
            record = publish(self.store, temporary, lambda m: Record(key=key, object=m.digest, size=m.size, **about), members)
            self.store.set_ref("d", "s", node, key.digest)
        self.note(node, record, {"a": content, "deep/b": node.encode()})

    def note(self, node: str, record: Record, files: dict[str, bytes]) -> None:
        self.results[record.digest] = files
        self.records[record.digest] = record
        self.refs[node] = record.digest

    @rule(node=NODES, setting=SETTINGS, content=CONTENTS)
    def run(self, node: str, setting: int, content: bytes) -> None:
        key = self.key(node, setting).digest
        if key not in self.results:  # a fresh result is not computed again
            self.publish(node, setting, content)
        else:
            self.store.set_ref("d", "s", node, key)
            self.refs[node] = key

    @rule(node=NODES, row=ROWS, content=CONTENTS)
    def append(self, node: str, row: int, content: bytes) -> None:
        items = self.store.item_set(node, "0" * 64, writable=True)
        items.append(row_key(row), content)
        items.flush()
        self.rows.setdefault(node, {}).setdefault(row_key(row), content)

    @rule(node=NODES, content=CONTENTS, setting=SETTINGS, step=st.integers(1, 40), kind=st.sampled_from(["enospc", "eio", "short"]))
    def run_on_a_bad_disk(self, node: str, setting: int, content: bytes, step: int, kind: str) -> None:
        key = self.key(node, setting)
        if key.digest in self.results:
            return
        faults._active = faults.Fault(f"{kind}:{step}")
        try:
            self.publish(node, setting, content)
        except OSError:
            faults._active = None
            self.store = Store(self.store.root)  # the process gave up; the next one looks at what is there
            record = self.store.record(key.digest)
            if record is not None:
                named = self.store.ref("d", "s", node)
                self.note(node, record, {"a": content, "deep/b": node.encode()})
                self.refs = {**self.refs, node: named} if named else {n: k for n, k in self.refs.items() if n != node}
        finally:
            faults._active = None

    @rule(node=NODES, setting=SETTINGS, because=st.text(min_size=1, max_size=5))
    def accept(self, node: str, setting: int, because: str) -> None:
        old, key = self.refs.get(node), self.key(node, setting)
        if old is None or key.digest in self.results:
            return
        accepted = {"because": because, "from": old, "when": "now"}
        about = {"key": key, "accepted": accepted, "created": float(len(self.results))}
        record = self.store.publish_record(dataclasses.replace(self.records[old], **about), Members({"v": ("", "")}))
        self.store.set_ref("d", "s", node, key.digest)
        self.note(node, record, self.results[old])

    @rule(node=NODES, name=st.sampled_from(["best", "../worst", "-rf"]))
    def pin(self, node: str, name: str) -> None:
        if node in self.refs and self.pins.get(name) in (None, self.refs[node]):
            pins.pin(self.store, name, self.records[self.refs[node]])
            self.pins[name] = self.refs[node]

    @rule(name=st.sampled_from(["best", "../worst", "-rf"]))
    def unpin(self, name: str) -> None:
        if self.pins.pop(name, None) is not None:
            pins.unpin(self.store, name)

    @rule(keep=st.integers(0, 2))
    def collect(self, keep: int) -> None:
        gc.collect(self.store, keep=keep, grace=0)
        needed = set(self.refs.values()) | set(self.pins.values())
        for node in {record.node for record in self.records.values()}:
            group = sorted((r for r in self.records.values() if r.node == node), key=lambda r: r.created, reverse=True)
            needed |= {record.digest for record in group[:keep]}
        stack = list(needed)
        while stack:
            origin = self.records[stack.pop()].accepted.get("from")
            if origin and origin not in needed:
                needed.add(origin)
                stack.append(origin)
        self.results = {key: files for key, files in self.results.items() if key in needed}
        self.records = {key: record for key, record in self.records.items() if key in needed}
        self.rows = {}  # no kept result was assembled from them

    @rule()
    def restart(self) -> None:
        self.store = Store(self.store.root)

    # -- sharing ------------------------------------------------------------------------------------------------------

    def transfer(self, source: Path, target: Path) -> None:
        transfer = Transfer(Directory(source), Directory(target))
        Store(target).prepare()
        for key in transfer.lineage(Store(source).keys()):
            transfer.result(key)

    @rule()
    def push_everything(self) -> None:
        self.transfer(self.store.root, self.remote.root)
        assert set(self.remote.keys()) >= set(self.results)
        assert [f for f in Fsck(Store(self.remote.root), 1.0) if not f.note] == []

    @precondition(lambda self: any(self.remote.keys()))
    @rule()
    def pull_everything(self) -> None:
        self.transfer(self.remote.root, self.store.root)
        for key in self.remote.keys():  # noqa: SIM118
            record = self.store.record(key)
            assert record is not None
            if key not in self.results:
                files = self.store.files(record)
                self.records[key] = record
                self.results[key] = {p.relative_to(files).as_posix(): p.read_bytes() for p in files.rglob("*") if p.is_file()}

    # -- damage -------------------------------------------------------------------------------------------------------

    @rule(choice=st.integers(0, 10**6), position=st.integers(0, 10**6), bit=st.integers(0, 7))
    def rot(self, choice: int, position: int, bit: int) -> None:
        """A bit flips somewhere in the results; fsck names it, repair and reruns bring back what was there."""
        files = sorted(p for room in ("actions", "objects", "refs", "items") for p in (self.store.root / room).rglob("*") if p.is_file())
        files = [path for path in files if path.stat().st_size]
        if not files:
            return
        path = files[choice % len(files)]
        data = bytearray(path.read_bytes())
        data[position % len(data)] ^= 1 << bit
        mode = path.stat().st_mode
        path.chmod(0o644)
        path.write_bytes(data)
        path.chmod(mode)
        findings = list(Fsck(self.store, 1.0))
        found = [f for f in findings if not f.note]
        if path.suffix == ".members" and not path.with_suffix(".json").exists():  # left by a publication that the disk cut short
            assert [f.note for f in findings if f.path == path] == [True]  # nothing reads it, and the next publication writes it anew
        else:
            assert found, f"a flipped bit in {path} was not found"
        repair(self.store, lambda: Fsck(self.store, 1.0), found)
        for key, record in self.records.items():
            if self.store.record(key) is None:
                self.bring_back(record, self.results[key])
        for node, key in self.refs.items():
            self.store.set_ref("d", "s", node, key)
        for node, rows in self.rows.items():
            items = self.store.item_set(node, "0" * 64, writable=True)
            for row, content in rows.items():
                items.append(row, content)
            items.flush()

    def bring_back(self, record: Record, files: dict[str, bytes]) -> None:
        temporary = self.store.new_directory()
        for name, content in files.items():
            (temporary / "files" / name).parent.mkdir(exist_ok=True)
            (temporary / "files" / name).write_bytes(content)
        assert Manifest.of_tree(temporary / "files").digest == record.object
        publish(self.store, temporary, lambda made: record, Members({"v": ("", "")}))

    # -- what always holds --------------------------------------------------------------------------------------------

    @invariant()
    def agrees(self) -> None:
        store = Store(self.store.root)
        for key, files in self.results.items():
            record = store.record(key)
            assert record is not None and record == self.records[key]
            assert {e.path: (store.files(record) / e.path).read_bytes() for e in store.manifest(record.object).files} == files
            store.check_object(record.object, contents=True)
        assert set(store.keys()) == set(self.results)
        assert {path.name: key for path, key in store.refs()} == self.refs
        assert {name: p.key for name, p in pins.pins(store).items()} == self.pins
        for node, rows in self.rows.items():
            items = store.item_set(node, "0" * 64)
            assert {key: items.get(key).payload for key in items.keys()} == rows  # type: ignore[union-attr]  # noqa: SIM118

    @invariant()
    def is_clean(self) -> None:
        assert [f for f in Fsck(Store(self.store.root), 1.0) if not f.note] == []


StoreMachine.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
TestStore = StoreMachine.TestCase
