"""Checks a store: its structure always, contents by sample or all. Finds, names, puts aside; never deletes.

Every byte of a sound store is covered by some checksum or comparison here (an object by its manifest, the manifest by its name, records,
pins, failures and logs by their own checksums, rows by theirs, refs by what they name), so that any flipped bit is found by a check of
all contents. Damage is told apart from notes: what a kill may leave behind, or gc has taken, is in order.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cache import expendable, pins
from cache.digest import FileEntry, Manifest, canonical
from cache.errors import StoreError
from cache.finding import Finding, bytes_of, irregular, words
from cache.names import unescape
from cache.record import Record
from cache.shard import Hole, Place, read_row, scan
from cache.store import FORMAT, FORMATS, Store, files_below, listed, open_sealed, shelved

#: Names in a store's directory, and nothing else.
ROOMS = {
    "actions", "objects", "refs", "pins", "items", "scratch", "failures", "memo", "locks", "logs", "tmp", "quarantine", "imports",
    "weights", "format.json",
}  # fmt: skip


@dataclass
class Checked:
    """How much was looked at: numbers of records, objects, refs, rows; ``bytes`` of contents that were read."""

    records: int = 0
    objects: int = 0
    refs: int = 0
    rows: int = 0
    bytes: int = 0


@dataclass
class Fsck:
    """A check of ``store``: iterate over it once, then see ``checked``.

    ``share`` is the share of the contents to read, 0 (structure only) to 1 (all); the sample is drawn anew each time, or from ``seed``.
    ``damaged_rows`` may name the ids of a feature file whose rows are damaged (HDF5 has checksums of its own, which the store does not
    know): path -> ids. ``damaged_weights`` may say what is wrong with a file of imported weights, which has a digest of its own.
    """

    store: Store
    share: float = 0.0
    seed: int | None = None
    damaged_rows: Callable[[Path], list[str]] = lambda path: []
    damaged_weights: Callable[[Path], str] = lambda path: ""
    checked: Checked = field(default_factory=Checked)
    _records: dict[str, Record] = field(default_factory=dict)
    _sound: set[str] = field(default_factory=set)  # objects that are there, whole as far as looked at
    _members: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Finding]:
        self._dice = random.Random(self.seed)
        yield from self._format()
        yield from self._strangers()
        yield from self._read_records()
        yield from self._objects()
        yield from self._dangling()
        yield from self._refs()
        yield from self._pins()
        yield from self._items()
        yield from expendable.sealed(self.store)
        yield from self._weights()
        yield from expendable.memo(self.store)
        yield from expendable.temporaries(self.store)

    def _chosen(self) -> bool:
        return self.share >= 1 or (self.share > 0 and self._dice.random() < self.share)

    # -- the marker and names ---------------------------------------------------------------------------------------

    def _format(self) -> Iterator[Finding]:
        marker = self.store.root / "format.json"
        if not marker.exists():
            if any(listed(self.store.root / "actions")) or any(listed(self.store.root / "objects")):
                yield Finding("format", marker, "the store has no format marker", repair="any run writes it anew")
        elif bytes_of(marker) not in [canonical({"format": n}) + b"\n" for n in FORMATS]:
            yield Finding("format", marker, "the format marker is damaged", repair=f'write {{"format":{FORMAT}}} into it', aside=marker)

    def _strangers(self) -> Iterator[Finding]:
        for path in sorted(listed(self.store.root)):
            if path.name not in ROOMS:
                yield Finding("stranger", path, "no file of a store", note=True)

    # -- records ----------------------------------------------------------------------------------------------------

    def _read_records(self) -> Iterator[Finding]:
        for path in shelved(self.store.root / "actions"):
            if path.suffix == ".members":
                continue
            self.checked.records += 1
            problem = self._read_record(path)
            if problem:
                yield Finding("record", path, problem, repair="run again: only that stage is computed", aside=path)
        yield from self._read_members()

    def _read_record(self, path: Path) -> str:
        if path.suffix != ".json" or path.parent.name != path.stem[:2]:
            return "a file that is no record, or stands in the wrong place"
        if problem := irregular(path):
            return problem
        try:
            self._records[path.stem] = Record.load(bytes_of(path), path.stem)
        except (ValueError, OSError) as error:
            return f"the record is damaged: {words(error)}"
        return ""

    def _read_members(self) -> Iterator[Finding]:
        for path in (p for p in shelved(self.store.root / "actions") if p.suffix == ".members"):
            record = self._records.get(path.stem)
            if record is None:
                yield Finding("members", path, "a list of members without a record", repair="kdpipe gc", note=True)
            elif not self.store.members(record):
                run = self._command(record)
                yield Finding("members", path, f"the list of members of {record.node} is damaged (results are not)", repair=run, aside=path)
        for record in self._records.values():
            if record.members and not self.store.members_path(record.digest).exists():
                yield Finding(
                    "members",
                    self.store.members_path(record.digest),
                    f"the list of members of {record.node} is gone (results are not)",
                    note=True,
                )

    # -- objects ----------------------------------------------------------------------------------------------------

    def _objects(self) -> Iterator[Finding]:
        for path in shelved(self.store.root / "objects"):
            self.checked.objects += 1
            before = None
            for finding in self._object(path):
                before = finding
                yield finding
            if before is None or before.note:
                self._sound.add(path.name)

    def _object(self, path: Path) -> Iterator[Finding]:
        repair = self._repair_of(path.name)
        if path.parent.name != path.name[:2] or not path.is_dir() or path.is_symlink():
            yield Finding("object", path, "no object: a file, a link, or the wrong place", aside=path)
            return
        try:
            manifest = self.store.manifest(path.name)
        except StoreError as error:
            yield Finding("object", path, error.message, repair=repair, aside=path)
            return
        if bytes_of(path / "manifest.json") != manifest.dump():
            yield Finding("object", path, "its manifest is not what was written", repair=repair, aside=path)
            return
        yield from self._contents(path, manifest, repair)

    def _contents(self, path: Path, manifest: Manifest, repair: str) -> Iterator[Finding]:
        expected = {entry.path for entry in manifest.files}
        for entry in manifest.files:
            file = path / "files" / entry.path
            problem = self._file(file, entry)
            if problem:
                ids = tuple(self.damaged_rows(file)) if "content" in problem and file.suffix == ".h5" else ()
                yield Finding("object", file, problem, ids, repair, aside=path)
            elif file.stat().st_mode & 0o222:
                yield Finding("mode", file, "it can be written; objects are read-only", repair=f"chmod a-w {file}", aside=None)
        for extra in sorted(p for p in path.rglob("*") if not p.is_dir() or p.is_symlink()):
            relative = extra.relative_to(path).as_posix()
            if relative != "manifest.json" and relative.removeprefix("files/") not in expected:
                yield Finding("object", extra, "a file that is not in the manifest", aside=extra)

    def _file(self, file: Path, entry: FileEntry) -> str:
        if problem := irregular(file):
            return problem
        size = file.stat().st_size
        if size != entry.size:
            return f"{size} bytes long, not {entry.size}"
        if not self._chosen():
            return ""
        self.checked.bytes += size
        try:
            return "" if entry.matches(file, contents=True) else "its content is not what was published"
        except OSError as error:
            return f"its content cannot be read: {error.strerror}"

    def _repair_of(self, digest: str) -> str:
        for record in self._records.values():
            if record.object == digest:
                return self._command(record)
        return "nothing needs it: kdpipe gc"

    @staticmethod
    def _command(record: Record) -> str:
        where = f" --dataset {record.dataset} --system {record.system}" if record.dataset else ""
        return f"kdpipe run {record.node}{where}   (or kdpipe pull PLACE, a store that has it)"

    # -- what names what ----------------------------------------------------------------------------------------------

    def _dangling(self) -> Iterator[Finding]:
        for key, record in self._records.items():
            if record.object not in self._sound and not self.store.object_path(record.object).exists():
                path = self.store.action_path(key)
                yield Finding(
                    "record", path, f"the result of {record.node} was removed or put aside", repair=self._command(record), note=True
                )

    def _refs(self) -> Iterator[Finding]:
        base = self.store.root / "refs"
        for path in files_below(base):
            self.checked.refs += 1
            names = [unescape(part) or part for part in path.relative_to(base).parts]
            run = f"kdpipe run {names[-1]} --dataset {names[0]} --system {names[1]}" if len(names) == 3 else ""
            text = bytes_of(path).decode("ascii", "replace")
            key = text.removesuffix("\n")
            if irregular(path) or len(key) != 64 or text != f"{key}\n" or not set(key) <= set("0123456789abcdef"):
                yield Finding("ref", path, "the ref is damaged", repair=run, aside=path)
            elif key not in self._records:
                yield Finding("ref", path, f"the ref names {key[:12]}, and there is no such record", repair=run, aside=path)
            elif not self.store.object_path(self._records[key].object).exists():
                yield Finding("ref", path, f"the result that it names ({key[:12]}) has no object any more", repair=run)

    def _pins(self) -> Iterator[Finding]:
        for path in sorted(listed(self.store.root / "pins")):
            try:
                pin = pins.read(path)
            except (ValueError, OSError) as error:
                yield Finding("pin", path, f"the pin is damaged: {words(error)}", repair="pin the result again", aside=path)
                continue
            if path != pins.path_of(self.store, pin.name):
                yield Finding("pin", path, f"the pin '{pin.name}' stands under another name", repair="pin the result again", aside=path)
            elif pin.key not in self._records or self._records[pin.key].object not in self._sound:
                yield Finding("pin", path, f"'{pin.name}' pins a result that is not there, or damaged", repair=f"kdpipe run {pin.node}")

    # -- items --------------------------------------------------------------------------------------------------------

    def _items(self) -> Iterator[Finding]:
        for stage in sorted(listed(self.store.root / "items")):
            for path in shelved(stage):
                if path.name == "accepted.json":
                    yield from self._accepted(path)
                elif path.suffix in (".items", ".lost"):
                    yield from self._shard(path)
                else:
                    yield Finding("items", path, "no shard", aside=path)
        yield from self._missing_rows()

    def _accepted(self, path: Path) -> Iterator[Finding]:
        try:
            open_sealed(bytes_of(path))
        except ValueError as error:
            yield Finding("items", path, f"it is damaged: {error}", repair="kdpipe accept STAGE --because REASON, once more", aside=path)

    def _shard(self, path: Path) -> Iterator[Finding]:
        if problem := irregular(path):
            yield Finding("items", path, problem, aside=path)
            return
        for part in scan(path):
            if isinstance(part, Hole):
                if part.torn:
                    yield Finding("items", path, f"{part.end - part.offset} bytes of a row that a kill cut short", note=True)
                else:
                    yield Finding("items", path, f"bytes {part.offset} to {part.end} are no rows", aside=path)
                continue
            self.checked.rows += 1
            problem = self._row(part)
            if problem:
                ids, repair = self._users(path.parent, part.key)
                yield Finding("items", path, f"row {part.key[:12]}: {problem}", ids, repair, aside=path)

    def _row(self, place: Place) -> str:
        if not self._chosen():
            return ""
        self.checked.bytes += place.end - place.offset
        try:
            read_row(place)
        except (ValueError, OSError) as error:
            return words(error)
        return ""

    def _users(self, directory: Path, row: str) -> tuple[tuple[str, ...], str]:
        """Ids of a row, and the command that computes it anew."""
        ids: set[str] = set()
        repair = "run the stage again: only these rows are computed"
        for record in self._records.values():
            if record.items and directory in self._directories(record):
                repair = self._command(record)
                ids.update(self._rows_of(record).get(row, ()))
        return tuple(sorted(ids)), repair

    def _directories(self, record: Record) -> list[Path]:
        stage = record.key.stage
        return [self.store.items_path(stage, record.items), *self.store.predecessors(stage, record.items)]

    def _rows_of(self, record: Record) -> dict[str, list[str]]:
        """Row key -> ids of a result's items."""
        if record.digest not in self._members:
            rows: dict[str, list[str]] = {}
            for id, (row, _) in self.store.members(record).rows.items():
                rows.setdefault(row, []).append(id)
            self._members[record.digest] = rows
        return self._members[record.digest]

    def _missing_rows(self) -> Iterator[Finding]:
        """A result whose rows are not all there cannot be built upon: it is made again, which computes just these rows."""
        for record in self._records.values():
            if not record.items or not record.members:
                continue
            there = self.store.item_set(record.key.stage, record.items)
            lost = sorted(id for row, ids in self._rows_of(record).items() if row and row not in there for id in ids)
            if lost:
                path = self.store.action_path(record.digest)
                yield Finding(
                    "items", path, f"{len(lost)} rows behind {record.node} are gone", tuple(lost), self._command(record), aside=path
                )

    # -- imported weights -----------------------------------------------------------------------------------------------

    def _weights(self) -> Iterator[Finding]:
        for path in sorted(listed(self.store.root / "weights")):
            problem = irregular(path) or (self.damaged_weights(path) if self._chosen() else "")
            if problem:
                yield Finding("weights", path, problem, repair="kdpipe weights import FILE once more", aside=path)
