"""The artifact store on disk: actions, objects, refs, pins, item sets (docs/FORMAT.md).

Write order, always: object (temporary directory, fsync, rename), then its action record, then the ref. So a ref only
names records that exist, and a record only names objects that exist, at any moment of any kill.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cache import fs, leftovers, locks, network
from cache.digest import Manifest, canonical, digest_value
from cache.errors import GoneError, StoreError
from cache.items import ItemSet
from cache.listing import ListingMemo
from cache.locks import Holder, Owner
from cache.members import Members
from cache.memo import DigestMemo
from cache.names import escape
from cache.record import Key, Record
from cache.timings import Timings

__all__ = ["FORMAT", "FORMATS", "Key", "Record", "Store"]

#: Version of the form on disk. A newer store is refused; an older one is read, and marked as new by the first write.
FORMAT = 2
FORMATS = (1, 2)
#: How often a record and its list of members are written again because another process wrote between the two.
TRIES = 8


class Store:
    """A store in a directory. Opening one creates nothing; the first write does.

    Without ``recall`` no digest of a file is taken from memory: whoever asks for one has the file read.
    """

    def __init__(self, root: Path, *, recall: bool = True) -> None:
        self.root = root
        self.memo = DigestMemo(root / "memo" / "digests.log", recall=recall)
        self.listings = ListingMemo(root / "memo" / "listings.log", recall=recall)
        self.timings = Timings(root / "memo" / "timings.log")
        self.format = FORMAT
        self._prepared = False
        marker = root / "format.json"
        if marker.exists():
            try:
                self.format = int(json.loads(marker.read_text())["format"])
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"{marker} is damaged", hint=f'write {{"format":{FORMAT}}} into it if this is a store') from error
            if self.format not in FORMATS:
                raise StoreError(f"the store in {root} has format {self.format}; this kdpipe reads up to {FORMAT}", hint="update kdpipe")

    # -- places ---------------------------------------------------------------------------------------------------

    def action_path(self, key: str) -> Path:
        """File of the action record ``key``."""
        return self.root / "actions" / key[:2] / f"{key}.json"

    def members_path(self, key: str) -> Path:
        """File that lists what each item of the result ``key`` is (see :mod:`cache.members`)."""
        return self.root / "actions" / key[:2] / f"{key}.members"

    def object_path(self, digest: str) -> Path:
        """Directory of the object ``digest``; its files are under ``files/``."""
        return self.root / "objects" / digest[:2] / digest

    def ref_path(self, dataset: str, system: str, node: str) -> Path:
        """File of a ref."""
        return self.root / "refs" / escape(dataset) / escape(system) / escape(node)

    def failure_path(self, dataset: str, system: str, node: str) -> Path:
        """File of what the last failed run of a node said."""
        return self.root / "failures" / escape(dataset) / escape(system) / f"{escape(node)}.json"

    def scratch_path(self, key: str) -> Path:
        """Directory for the checkpoints of a running action."""
        return self.root / "scratch" / key[:32]

    def lock_path(self, key: str) -> Path:
        """Lock of a running action."""
        return self.root / "locks" / f"{key[:32]}.lock"

    def items_path(self, stage: str, name: str) -> Path:
        """Directory of an item set."""
        return self.root / "items" / stage / name[:32]

    # -- reading --------------------------------------------------------------------------------------------------

    def record(self, key: str) -> Record | None:
        """The record of a finished action whose object is present, or None."""
        record = self.read_record(key)
        return record if record is not None and (self.object_path(record.object) / "manifest.json").exists() else None

    def read_record(self, key: str) -> Record | None:
        """The record of a finished action, whatever became of its object. Raises StoreError if it is damaged."""
        path = self.action_path(key)
        try:
            data = network.read_bytes(path)
        except FileNotFoundError:
            return None
        try:
            return Record.load(data, key)
        except ValueError as error:
            raise StoreError(
                f"action record {path} is damaged: {error}",
                hint="kdpipe fsck --repair puts it aside; run again then: only that stage is computed",
            ) from error

    def keys(self) -> Iterator[str]:
        """Keys of all records, sorted."""
        return (path.stem for path in shelved(self.root / "actions") if path.suffix == ".json")

    def objects(self) -> Iterator[str]:
        """Digests of all objects, sorted."""
        return (path.name for path in shelved(self.root / "objects"))

    def refs(self) -> Iterator[tuple[Path, str]]:
        """Every ref: its file, and the key that it names (as it stands there, unchecked)."""
        for path in filter(Path.is_file, files_below(self.root / "refs")):
            with contextlib.suppress(FileNotFoundError):  # replaced or removed while we look
                yield path, network.read_bytes(path).decode(errors="replace").removesuffix("\n")

    def files(self, record: Record) -> Path:
        """Directory with the files of a record's object."""
        return self.object_path(record.object) / "files"

    def members(self, record: Record) -> Members:
        """What each item of a result is; empty if the stage has no items or the list is not there."""
        return Members.read(self.members_path(record.digest), record.members) if record.members else Members()

    def manifest(self, digest: str) -> Manifest:
        """The files of object ``digest``; raises StoreError if the manifest is not the one that names it."""
        path = self.object_path(digest) / "manifest.json"
        hint = "kdpipe fsck --repair puts the object aside; run again then: only what made it is computed"
        try:
            manifest = Manifest.load(network.read_bytes(path))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StoreError(f"object {digest[:12]} has no readable manifest ({path})", hint=hint) from error
        if manifest.digest != digest:
            raise StoreError(f"the manifest of object {digest[:12]} was changed ({path})", hint=hint)
        return manifest

    def check_object(self, digest: str, *, contents: bool = False) -> None:
        """Compare an object with its manifest: the size of every file, with ``contents`` every byte too. Raises StoreError."""
        root = self.object_path(digest) / "files"
        manifest = self.manifest(digest)
        wrong = [entry for entry in manifest.files if not entry.matches(root / entry.path, contents=contents)]
        if wrong:
            raise StoreError(
                f"object {digest[:12]} is damaged: {wrong[0].path} is missing or not the {wrong[0].size} bytes that were published",
                hint=f"kdpipe fsck --repair puts {self.object_path(digest)} aside; run again then: only what made it is computed",
            )

    def ref(self, dataset: str, system: str, node: str) -> str | None:
        """The key that a ref names, or None."""
        try:
            return network.read_bytes(self.ref_path(dataset, system, node)).decode(errors="replace").strip()
        except FileNotFoundError:
            return None

    def item_set(
        self, stage: str, name: str, *, writable: bool = False, also: Sequence[Path] = (), kind: Callable[..., ItemSet] = ItemSet
    ) -> ItemSet:
        """Open the item set ``name`` of a stage, with the rows of what it was accepted from, and of the directories ``also``."""
        return kind(self.items_path(stage, name), writable=writable, also=[*also, *self.predecessors(stage, name)])

    def predecessors(self, stage: str, name: str) -> list[Path]:
        """Directories of the item sets whose rows were accepted for the set ``name``, the oldest first."""
        found: list[Path] = []
        while True:
            accepted = self.accepted_items(stage, name)
            if accepted is None or (path := self.items_path(stage, accepted)) in found:
                return found
            found.insert(0, path)
            name = accepted

    def accepted_items(self, stage: str, name: str) -> str | None:
        """The item set whose rows were accepted for the set ``name``, or None."""
        try:
            return str(open_sealed(network.read_bytes(self.items_path(stage, name) / "accepted.json"))["items"])
        except FileNotFoundError:
            return None

    # -- writing --------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Create the store's directory and its format marker; sweep what killed processes left behind. Once per process."""
        if self._prepared:
            return
        for name in ("tmp", "locks"):
            fs.make_directory(self.root / name)
        marker = self.root / "format.json"
        if not marker.exists() or self.format != FORMAT:
            fs.remove_tree(self.root / "failures")  # of another form; only the last words of failed runs
            fs.write_atomic(marker, canonical({"format": FORMAT}) + b"\n", temporary=self.temporary())
            self.format = FORMAT
        self.sweep()
        self._prepared = True

    def sweep(self) -> None:
        """Remove the temporary files of processes that are certainly dead, or given up by others."""
        leftovers.remove(listed(self.root / "tmp"), self.holders)

    def temporary(self) -> Path:
        """A free name in ``tmp/`` that says whose it is."""
        return self.root / "tmp" / Owner.me().token

    def write(self, path: Path, data: bytes, *, read_only: bool = False) -> None:
        """Replace a file of the store: readers see the old bytes or the new."""
        self.prepare()
        fs.write_atomic(path, data, temporary=self.temporary(), read_only=read_only)

    @contextlib.contextmanager
    def publishing(self, *, collecting: bool = False) -> Iterator[None]:
        """Keep gc (``collecting``) and publications apart: what was just written, or found to be there already, stays until it is named."""
        self.prepare()
        with locks.shared(self.root / "locks" / "gc", exclusive=collecting):
            yield

    def new_directory(self) -> Path:
        """An empty directory on the store's file system; whoever asks for it publishes or removes it."""
        self.prepare()
        path = self.temporary()
        fs.make_directory(path / "files")
        return path

    def name_object(self, temporary: Path, manifest: Manifest) -> bool:
        """Give ``temporary/files``, which ``manifest`` lists, its name; the one place where an object becomes visible.

        False if the same object was there already, whole; ``temporary`` is then the caller's to remove. A damaged twin is put aside.
        """
        files = temporary / "files"
        for entry in manifest.files:
            fs.make_read_only(files / entry.path)
            fs.fsync_file(files / entry.path)
        for directory in sorted((p for p in files.rglob("*") if p.is_dir()), reverse=True):
            fs.share(directory, directory)
            fs.fsync_directory(directory)
        fs.fsync_directory(files)
        fs.write_new(temporary / "manifest.json", manifest.dump(), read_only=True)
        fs.fsync_directory(temporary)
        final = self.object_path(manifest.digest)
        while not fs.publish_directory(temporary, final):
            fs.touch(final)
            try:
                self.check_object(manifest.digest, contents=True)
            except StoreError:
                self.quarantine(final)
                continue
            return False
        return True

    def publish_record(self, record: Record, members: Members | None = None) -> Record:
        """Write the action record (the object must be there already), and before it the list of its members. Returns what was written.

        Looks again when it is written: raises GoneError, and leaves no record, if the object is not there any more.

        Record and list are two files. Where several processes publish the same result with lists that differ, the last one to look
        makes the two belong together again.
        """
        record = self._write_record(record, members)
        network.look_anew(self.object_path(record.object).parent)
        if not (self.object_path(record.object) / "manifest.json").exists():
            fs.remove_file(self.action_path(record.digest))
            raise GoneError(f"object {record.object[:12]} was removed while its record was being written", hint="run it again")
        return record

    def _write_record(self, record: Record, members: Members | None) -> Record:
        if not members:
            self.write(self.action_path(record.digest), record.dump(), read_only=True)
            return record
        data = members.dump()
        record = record.with_members(data)
        for _ in range(TRIES):
            self.write(self.members_path(record.digest), data, read_only=True)
            self.write(self.action_path(record.digest), record.dump(), read_only=True)
            if self._listed(record.digest):
                break
        return record

    def _listed(self, key: str) -> bool:
        """Whether the record of ``key`` names the list of members beside it."""
        record, path = self.record(key), self.members_path(key)
        if record is None or not path.exists():
            return False
        return hashlib.sha256(network.read_bytes(path)).hexdigest() == record.members

    def set_ref(self, dataset: str, system: str, node: str, key: str) -> None:
        """Point a ref at ``key``; an unchanged ref is not rewritten, so its time stamp says when it last changed."""
        if self.ref(dataset, system, node) != key:
            self.write(self.ref_path(dataset, system, node), f"{key}\n".encode())

    def write_failure(self, dataset: str, system: str, node: str, failure: Mapping[str, Any], ledger: str = "") -> None:
        """Keep what a failed run had to say, with its ledger (JSON lines)."""
        self.write(self.failure_path(dataset, system, node), seal({**failure, "ledger": ledger, "time": time.time()}))

    def clear_failure(self, dataset: str, system: str, node: str) -> None:
        """Forget the last failed run of a node: it has succeeded since."""
        path = self.failure_path(dataset, system, node)
        if path.exists():
            fs.remove_file(path)

    def failure(self, dataset: str, system: str, node: str) -> dict[str, Any] | None:
        """What the last failed run of a node said (``error``, ``key``, ``ledger``, ``time``), or None."""
        try:
            return open_sealed(network.read_bytes(self.failure_path(dataset, system, node)))
        except (FileNotFoundError, ValueError):
            return None

    def quarantine(self, path: Path) -> Path:
        """Move something damaged out of the way, never delete it; returns where it is now."""
        relative = path.relative_to(self.root)
        target = self.root / "quarantine" / f"{time.strftime('%Y%m%dT%H%M%S')}-{Owner.me().token[-12:]}" / relative
        fs.move(path, target)
        return target

    # -- running --------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(
        self,
        key: str,
        *,
        what: str = "",
        uses: Mapping[str, list[str]] | None = None,
        wait: bool = True,
        waiting: Callable[[Holder | None], None] | None = None,
    ) -> Iterator[Path | None]:
        """Hold the scratch directory of an action: one process computes a key, others wait for it.

        Gives the directory, or None if another process holds it and ``wait`` is False. ``uses`` (actions, objects, items) is what gc
        must leave alone meanwhile. The lock only saves work: the results would be whole without it.
        """
        self.prepare()
        lock = locks.acquire(self.lock_path(key), wait=wait, waiting=waiting)
        if lock is None:
            yield None
            return
        try:
            lock.describe(what, {"actions": [key], **(uses or {})})
            scratch = self.scratch_path(key)
            fs.make_directory(scratch)
            yield scratch
        finally:
            lock.release()

    def holder(self, key: str) -> Holder | None:
        """Who computes ``key`` right now, or None."""
        return locks.holder_of(self.lock_path(key))

    def holders(self) -> Iterator[Holder]:
        """Everybody who computes something right now."""
        for path in sorted(listed(self.root / "locks")):
            if path.suffix == ".lock" and (holder := locks.holder_of(path)) is not None:
                yield holder

    def clean_scratch(self, key: str) -> None:
        """Remove the checkpoints of a published action; only while holding it (see :meth:`running`)."""
        fs.remove_tree(self.scratch_path(key))


def seal(value: Mapping[str, Any]) -> bytes:
    """A small JSON file that tells when it was changed: the value and the sha256 of its canonical form."""
    plain = json.loads(json.dumps(value))
    return json.dumps({"value": plain, "sha256": digest_value(plain)}, indent=1, sort_keys=True).encode() + b"\n"


def open_sealed(data: bytes) -> dict[str, Any]:
    """The value that :func:`seal` wrote. Raises ValueError if one bit of it was changed."""
    try:
        value: dict[str, Any] = json.loads(data)["value"]
        whole = seal(value) == data
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("it is not what was written") from error
    if not whole:
        raise ValueError("it does not match its checksum")
    return value


def listed(directory: Path) -> list[Path]:
    """What is in a directory; nothing if it is not there, or is no directory. Files that were removed and are still open do not count."""
    try:
        with os.scandir(directory) as entries:
            return [Path(entry.path) for entry in entries if not entry.name.startswith(network.PASSING)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def files_below(room: Path) -> list[Path]:
    """Every file in a directory and those in it, sorted; as :func:`listed`."""
    found = (path for path in room.rglob("*") if not path.name.startswith(network.PASSING)) if room.is_dir() else ()
    return sorted(path for path in found if not path.is_dir())


def shelved(room: Path) -> Iterator[Path]:
    """What lies in the directories in ``room``, in order."""
    return (path for shelf in sorted(listed(room)) for path in sorted(listed(shelf)))
