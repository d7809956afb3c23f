"""A store somewhere else: what push writes to, and what pull and an upstream read from.

A remote is arranged as a store is (docs/FORMAT.md), so a directory that was pushed to *is* a store. It may have been made by somebody
else: nothing that is read from it is believed before it was checked (sizes before contents, digests, names of files).
"""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from cache import addresses
from cache.digest import FileEntry, Manifest, canonical
from cache.errors import DamageError, RemoteError
from cache.record import Record
from cache.store import FORMAT, FORMATS

#: Largest small file (record, manifest, pin) that is read, in bytes; a list of members may be larger.
SMALL = 64 << 20
LIST = 512 << 20
#: How much is read at a time.
CHUNK = 4 << 20

#: Told how many bytes have travelled since it was told last.
Step = Callable[[int], None]
#: Reads a file and says what is wrong with it, "" if nothing is.
Check = Callable[[Path], str]


#: What the fields of a record are.
_KINDS: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("object", "items", "node", "dataset", "system", "members"), str),
    **dict.fromkeys(("parents", "definitions", "ledger", "versions", "accepted"), dict),
    **dict.fromkeys(("size", "format"), int),
    **dict.fromkeys(("seconds", "created"), (int, float)),
}


class Remote(ABC):
    """A store as files by relative path. ``name`` is what messages call it, ``mend`` what to do if something in it is damaged."""

    name: str
    mend: str

    # -- reading --------------------------------------------------------------------------------------------------

    @abstractmethod
    def size(self, path: str) -> int | None:
        """Bytes of a regular file, or None if there is none. Raises DamageError for anything else of that name."""

    @abstractmethod
    def names(self, path: str) -> list[str]:
        """Names in a directory, sorted; none if it is not there."""

    @abstractmethod
    def local(self, path: str) -> Path | None:
        """The file or directory itself, if it lies on this machine's file systems."""

    @abstractmethod
    def chunks(self, path: str, start: int = 0) -> Iterator[bytes]:
        """The bytes of a file from ``start`` on. Raises DamageError if it is not there."""

    def read(self, path: str, limit: int = SMALL) -> bytes | None:
        """A small file, or None if there is none. Raises DamageError if it has more than ``limit`` bytes."""
        size = self.size(path)
        if size is None:
            return None
        parts: list[bytes] = []
        got = 0
        for chunk in self.chunks(path) if size <= limit else ():
            parts.append(chunk)
            got += len(chunk)
            if got > limit:
                break
        if max(got, size) > limit:
            raise self.damage(f"{path} has more than {limit >> 20} MB")
        return b"".join(parts)

    # -- writing --------------------------------------------------------------------------------------------------

    @abstractmethod
    def prepare(self) -> None:
        """Make it a store if it is none yet."""

    @abstractmethod
    def publishing(self) -> AbstractContextManager[None]:
        """Keep a garbage collector away until what arrives is named."""

    @abstractmethod
    def write(self, path: str, data: bytes, *, read_only: bool = True) -> None:
        """Write a small file: readers see all of it or nothing."""

    @abstractmethod
    def has_object(self, manifest: Manifest, *, contents: bool = False) -> bool:
        """Whether an object is there: its manifest and what can be told cheaply; with ``contents`` every byte."""

    @abstractmethod
    def receive_object(self, manifest: Manifest, source: Remote, step: Step) -> None:
        """Fetch an object from ``source``; it appears under its name only after every digest was found right."""

    @abstractmethod
    def receive_file(self, path: str, source: Remote, step: Step, check: Check) -> int:
        """Fetch a large file that tells by itself whether it is whole; returns its size. Raises DamageError if ``check`` refuses it."""

    @abstractmethod
    def receive_shard(self, path: str, source: Remote, step: Step) -> int:
        """Fetch what is new in a shard of rows; returns how many bytes were new. Raises DamageError if a row is not sound."""

    # -- what is checked before it is believed ----------------------------------------------------------------------

    def damage(self, what: str) -> DamageError:
        """The error for something that cannot be believed."""
        shown = "".join(c if c.isprintable() else "\ufffd" for c in what)  # names in it may be anybody's
        return DamageError(f"{self.name}: {shown}; it was not taken over", hint=self.mend)

    def check_format(self, *, create: bool = False) -> None:
        """Refuse what is no store, and a newer one. With ``create``, an empty place will do."""
        data = self.read("format.json", 1 << 16)
        if data is None:
            strangers = set(self.names("")) - {"tmp", "locks"}  # these may be there before the marker is
            if create and not strangers:
                return
            what = f"holds other things ({sorted(strangers)[0]!r})" if strangers else "is empty or not there"
            hint = "kdpipe push PLACE makes a store in an empty place"
            raise RemoteError(f"{self.name} is no store: it has no format.json, and {what}", hint=hint)
        try:
            number = int(json.loads(data)["format"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RemoteError(f"{self.name}: format.json is damaged", hint=f'it should be {{"format":{FORMAT}}}') from error
        if number not in FORMATS:
            raise RemoteError(f"{self.name} has format {number}; this kdpipe reads up to {FORMAT}", hint="update kdpipe")

    def record(self, key: str) -> tuple[Record, bytes] | None:
        """The record of ``key`` and its bytes, or None. Raises DamageError if it is not sound, or names what cannot be."""
        data = self.read(addresses.record(key))
        if data is None:
            return None
        try:
            record = Record.load(data, key)
            _check_record(record)
        except ValueError as error:
            raise self.damage(f"action record {key[:12]} is damaged ({error})") from error
        return record, data

    def manifest(self, oid: str) -> Manifest | None:
        """The manifest of an object, or None. Raises DamageError unless it is the one that names the object."""
        data = self.read(f"{addresses.object_directory(oid)}/manifest.json")
        if data is None:
            return None
        try:
            manifest = Manifest.load(data)
            _check_manifest(manifest)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self.damage(f"the manifest of object {oid[:12]} is damaged ({error})") from error
        if manifest.digest != oid:
            raise self.damage(f"the manifest of object {oid[:12]} was changed")
        return manifest


def format_bytes() -> bytes:
    """What is written as ``format.json``."""
    return canonical({"format": FORMAT}) + b"\n"


def _check_record(record: Record) -> None:
    """What a record names becomes part of paths; the rest is shown to people, and must be of the kind that is expected there."""
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if not isinstance(value, _KINDS.get(field.name, object)):
            raise ValueError(f"its {field.name} cannot be read")
    for shown in (record.node, record.dataset, record.system):
        if not shown.isprintable():
            raise ValueError("its names cannot be shown")
    addresses.digest(record.object)
    addresses.name(record.key.stage)
    for name in (record.items, record.members):
        if name:
            addresses.digest(name)
    for parent in record.parents.values():
        addresses.digest(parent)
    if record.accepted.get("from"):
        addresses.digest(record.accepted["from"])


def _check_manifest(manifest: Manifest) -> None:
    """Paths that cannot be those of one tree, or sizes that are none."""
    paths: set[str] = set()
    for entry in manifest.files:
        _check_entry(entry)
        if entry.path in paths:
            raise ValueError(f"it names {entry.path!r} twice")
        paths.add(entry.path)
    for path in paths:
        parts = path.split("/")
        if any("/".join(parts[:n]) in paths for n in range(1, len(parts))):
            raise ValueError(f"{path!r} lies in a file")


def _check_entry(entry: FileEntry) -> None:
    size: Any = entry.size
    if type(size) is not int or size < 0:
        raise ValueError(f"{entry.path!r} has no size")
    addresses.digest(entry.sha256)
    if any(len(part.encode("utf-8", "surrogateescape")) > 255 for part in entry.path.split("/")):
        raise ValueError("it names a file whose name is too long")
