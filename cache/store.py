"""The artifact store on disk: actions, objects, refs, item sets (docs/FORMAT.md).

Write order, always: object (temporary directory, fsync, rename), then its action record, then the ref. So a ref only
names records that exist, and a record only names objects that exist, at any moment of any kill.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from cache import fs
from cache.digest import Manifest, canonical, digest_value
from cache.errors import StoreError
from cache.items import ItemSet
from cache.memo import DigestMemo

#: Version of the layout on disk. A newer store is refused; an older one is read.
FORMAT = 1


@dataclass(frozen=True)
class Key:
    """Everything that can change the bytes of a result. Its digest names the action."""

    stage: str
    version: int
    entry: str
    params: dict[str, Any]
    code: dict[str, str]
    inputs: dict[str, str]
    sources: str = ""
    files: dict[str, str] = field(default_factory=dict)
    facets: dict[str, str] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """Name of the action record."""
        return digest_value(asdict(self))

    @property
    def items(self) -> str:
        """Name of the item set: the key without what differs from dataset to dataset."""
        shared = asdict(self)
        del shared["inputs"], shared["sources"]
        return digest_value(shared)


@dataclass(frozen=True)
class Record:
    """What is known of a finished action. Everything outside ``key``, ``object`` and ``items`` is for people."""

    key: Key
    object: str
    items: str = ""
    node: str = ""
    parents: dict[str, str] = field(default_factory=dict)
    definitions: dict[str, dict[str, str]] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    size: int = 0
    seconds: float = 0.0
    created: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    stale_inputs: tuple[str, ...] = ()
    format: int = FORMAT

    @property
    def digest(self) -> str:
        """Name of the record: the digest of its key."""
        return self.key.digest


class Store:
    """A store in a directory. Opening one creates nothing; the first write does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.memo = DigestMemo(root / "memo" / "digests.log")
        marker = root / "format.json"
        if marker.exists():
            try:
                version = int(json.loads(marker.read_text())["format"])
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"{marker} is damaged", hint=f'write {{"format": {FORMAT}}} into it if this is a store') from error
            if version > FORMAT:
                raise StoreError(f"the store in {root} has format {version}; this kdpipe reads up to {FORMAT}", hint="update kdpipe")

    # -- places ---------------------------------------------------------------------------------------------------

    def action_path(self, key: str) -> Path:
        """File of the action record ``key``."""
        return self.root / "actions" / key[:2] / f"{key}.json"

    def object_path(self, digest: str) -> Path:
        """Directory of the object ``digest``; its files are under ``files/``."""
        return self.root / "objects" / digest[:2] / digest

    def ref_path(self, dataset: str, system: str, node: str) -> Path:
        """File of a ref."""
        return self.root / "refs" / dataset / system / node

    def scratch_path(self, key: str) -> Path:
        """Directory for the checkpoints of a running action."""
        return self.root / "scratch" / key[:32]

    # -- reading --------------------------------------------------------------------------------------------------

    def record(self, key: str) -> Record | None:
        """The record of a finished action whose object is present, or None."""
        path = self.action_path(key)
        try:
            data = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise StoreError(f"action record {path} is damaged", hint="remove it and run again: only that stage is computed") from error
        if digest_value(data["record"]) != data["sha256"]:
            raise StoreError(
                f"action record {path} does not match its checksum", hint="remove it and run again: only that stage is computed"
            )
        fields = data["record"]
        record = Record(**{**fields, "key": Key(**fields["key"]), "stale_inputs": tuple(fields["stale_inputs"])})
        if record.digest != key:
            raise StoreError(f"action record {path} belongs to another key", hint="remove it and run again")
        return record if (self.object_path(record.object) / "manifest.json").exists() else None

    def files(self, record: Record) -> Path:
        """Directory with the files of a record's object."""
        return self.object_path(record.object) / "files"

    def manifest(self, digest: str) -> Manifest:
        """The files of object ``digest``; raises StoreError if the manifest is not the one that names it."""
        path = self.object_path(digest) / "manifest.json"
        try:
            manifest = Manifest.load(path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"object {digest[:12]} has no readable manifest ({path})", hint="remove its directory and run again"
            ) from error
        if manifest.digest != digest:
            raise StoreError(f"the manifest of object {digest[:12]} was changed ({path})", hint="remove its directory and run again")
        return manifest

    def check_object(self, digest: str) -> None:
        """Compare the size of every file of an object with its manifest (cheap; contents are fsck's business)."""
        root = self.object_path(digest) / "files"
        for entry in self.manifest(digest).files:
            path = root / entry.path
            if not path.is_file() or path.stat().st_size != entry.size:
                raise StoreError(
                    f"object {digest[:12]} is damaged: {entry.path} is missing or not {entry.size} bytes long",
                    hint=f"remove {self.object_path(digest)} and run again: only what made it is computed",
                )

    def ref(self, dataset: str, system: str, node: str) -> str | None:
        """The key that a ref names, or None."""
        try:
            return self.ref_path(dataset, system, node).read_text().strip()
        except FileNotFoundError:
            return None

    def item_set(self, stage: str, name: str, *, writable: bool = False) -> ItemSet:
        """Open the item set ``name`` of a stage."""
        return ItemSet(self.root / "items" / stage / name[:32], writable=writable)

    # -- writing --------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Create the store's directory and its format marker."""
        marker = self.root / "format.json"
        if not marker.exists():
            fs.write_atomic(marker, canonical({"format": FORMAT}) + b"\n")

    def new_directory(self) -> Path:
        """An empty directory on the store's file system; whoever asks for it publishes or removes it."""
        self.prepare()
        path = self.root / "tmp" / f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
        (path / "files").mkdir(parents=True)
        return path

    def publish_object(self, temporary: Path) -> Manifest:
        """Make ``temporary/files`` an object: digest, fsync, rename. Equal content is stored once."""
        files = temporary / "files"
        manifest = Manifest.of_tree(files)
        for entry in manifest.files:
            path = files / entry.path
            path.chmod(0o444)
            fs.fsync_file(path)
        for directory in sorted((p for p in files.rglob("*") if p.is_dir()), reverse=True):
            fs.fsync_directory(directory)
        fs.fsync_directory(files)
        fs.write_atomic(temporary / "manifest.json", manifest.dump())
        if not fs.publish_directory(temporary, self.object_path(manifest.digest)):
            shutil.rmtree(temporary)
        return manifest

    def publish_record(self, record: Record) -> None:
        """Write the action record; the object must be there already."""
        fields = asdict(record)
        fields["stale_inputs"] = list(record.stale_inputs)
        data = {"record": fields, "sha256": digest_value(fields)}
        fs.write_atomic(self.action_path(record.digest), json.dumps(data, indent=1, sort_keys=True).encode() + b"\n")

    def set_ref(self, dataset: str, system: str, node: str, key: str) -> None:
        """Point a ref at ``key``; an unchanged ref is not rewritten, so its time stamp says when it last changed."""
        if self.ref(dataset, system, node) != key:
            fs.write_atomic(self.ref_path(dataset, system, node), f"{key}\n".encode())

    def write_failure(self, dataset: str, system: str, node: str, failure: dict[str, Any], ledger: str = "") -> Path:
        """Keep what a failed run had to say; returns the path of its ledger."""
        base = self.root / "failures" / dataset / system
        fs.write_atomic(base / f"{node}.json", json.dumps({**failure, "time": time.time()}, indent=1, sort_keys=True).encode() + b"\n")
        fs.write_atomic(base / f"{node}.ledger.jsonl", ledger.encode())
        return base / f"{node}.ledger.jsonl"

    def clear_failure(self, dataset: str, system: str, node: str) -> None:
        """Forget the last failed run of a node: it has succeeded since."""
        base = self.root / "failures" / dataset / system
        for name in (f"{node}.json", f"{node}.ledger.jsonl"):
            (base / name).unlink(missing_ok=True)

    def failure(self, dataset: str, system: str, node: str) -> dict[str, Any] | None:
        """What the last failed run of a node said, or None."""
        path = self.root / "failures" / dataset / system / f"{node}.json"
        return json.loads(path.read_text()) if path.exists() else None

    @contextlib.contextmanager
    def running(self, key: str, waiting: Any = None) -> Iterator[Path]:
        """Hold the scratch directory of an action: one process computes a key, others wait for it.

        The lock is the kernel's (released when its holder dies). It keeps two runs out of one another's checkpoints;
        the published results would be whole without it. ``waiting()`` is called once if there is somebody to wait for.
        """
        self.prepare()
        scratch = self.scratch_path(key)
        lock = scratch.with_suffix(".lock")
        fs.make_directory(lock.parent)
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if waiting is not None:
                    waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            scratch.mkdir(exist_ok=True)
            yield scratch

    def is_running(self, key: str) -> bool:
        """Whether some process holds the scratch directory of ``key`` right now."""
        lock = self.scratch_path(key).with_suffix(".lock")
        if not lock.exists():
            return False
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def clean_scratch(self, key: str) -> None:
        """Remove the checkpoints of a published action; only while holding it (see :meth:`running`)."""
        shutil.rmtree(self.scratch_path(key), ignore_errors=True)
