"""Moves results from one store to another: push and pull are the same, with the sides exchanged.

For every result, what it was made from first: object, item sets, list of members, record; refs and pins last. So at any moment of any
kill a ref of the target names a record, and a record an object. What the target has is not sent again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cache import addresses
from cache.directory import Directory
from cache.errors import DamageError, RemoteError
from cache.record import Record
from cache.remote import LIST, Check, Remote
from cache.store import open_sealed
from cache.url import Url


@dataclass
class Moved:
    """What a transfer did, or would do.

    ``records`` ... ``files`` count what was sent (files: lists of imported features, and imported weights), ``size`` is the bytes of
    these objects, rows and weights, ``there`` counts the results that the target had. ``gone`` names results whose record the source
    has no more; ``damaged`` is what was left out for that reason.
    """

    records: int = 0
    objects: int = 0
    shards: int = 0
    refs: int = 0
    pins: int = 0
    files: int = 0
    size: int = 0
    there: int = 0
    gone: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


class Transfer:
    """Brings results from ``source`` to ``target``.

    ``items``: with the rows that a result was assembled from. ``verify``: what the target has is read, not only looked at.
    ``dry_run``: nothing is written, only counted. ``travelled`` is told of bytes as they go.
    """

    def __init__(
        self,
        source: Remote,
        target: Remote,
        *,
        items: bool = True,
        verify: bool = False,
        dry_run: bool = False,
        travelled: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.source = source
        self.target = target
        self.items = items
        self.verify = verify
        self.dry_run = dry_run
        self.moved = Moved()
        self._travelled = travelled
        self._results: dict[str, Record | None] = {}
        self._objects: set[str] = set()
        self._brought: set[str] = set()
        self._sets: set[str] = set()

    # -- results --------------------------------------------------------------------------------------------------

    def result(self, key: str) -> Record | None:
        """Bring one result; returns the record that the target has then, or None if the source has none.

        A whole result of the same key that the target has already is kept, even if its object is another one. Raises DamageError if
        the source is damaged; nothing of the result is visible then.
        """
        if key not in self._results:
            self._results[key] = self._result(key)
        return self._results[key]

    def _result(self, key: str) -> Record | None:
        found = self.source.record(key)
        if found is None:
            return None
        record, data = found
        own = self.own(key)
        if own is not None and own.object != record.object and self._has(own.object):
            self.moved.there += 1
            return own
        self.object(record.object)
        if self.items:
            self.item_sets(record)
        self._members(record)
        if own is not None and own.object == record.object:
            self.moved.there += 1
            return own
        self.moved.records += 1
        if not self.dry_run:
            self.target.write(addresses.record(key), data)
            self.target.record(key)
            if record.object not in self._brought and not self._has(record.object):  # collected while the record was on its way
                self._objects.discard(record.object)
                self.object(record.object)
        return record

    def own(self, key: str) -> Record | None:
        """The record that the target has; None if it has none that is sound."""
        try:
            found = self.target.record(key)
        except DamageError:
            return None
        return found[0] if found is not None else None

    def lineage(self, keys: Iterable[str]) -> list[str]:
        """The results named and all that they were made from, parents first, as far as the source has them."""
        order: dict[str, None] = {}
        seen: set[str] = set()
        stack = [(key, False) for key in reversed(list(keys))]
        while stack:
            key, done = stack.pop()
            if done:
                order[key] = None
            if done or key in seen:
                continue
            seen.add(key)
            found = self.source.record(key)
            if found is None:
                self.moved.gone.append(key)
                continue
            stack.append((key, True))
            came = found[0].accepted.get("from")
            stack += [(parent, False) for parent in (*found[0].parents.values(), *([came] if came else []))]
        return list(order)

    def _members(self, record: Record) -> None:
        """The list of members: it is for people, so a result without it is whole too."""
        path = addresses.members(record.digest)
        if not record.members or self.dry_run or self.target.size(path) is not None:
            return
        data = self.source.read(path, LIST)
        if data is not None and hashlib.sha256(data).hexdigest() == record.members:
            self.target.write(path, data)
        elif data is not None:
            self.moved.damaged.append(str(self.source.damage(f"the list of members of {record.node or record.digest[:12]} is damaged")))

    # -- objects --------------------------------------------------------------------------------------------------

    def object(self, oid: str) -> None:
        """Bring an object if the target does not have it."""
        if oid in self._objects:
            return
        manifest = self.source.manifest(oid)
        if manifest is None:
            if not self._has(oid):
                raise self.source.damage(f"object {oid[:12]} is not there")
        elif not self.target.has_object(manifest, contents=self.verify):
            self.moved.objects += 1
            self.moved.size += manifest.size
            if not self.dry_run:
                self.target.receive_object(manifest, self.source, self._travelled)
                self._brought.add(oid)
        self._objects.add(oid)

    def repair(self, record: Record) -> bool:
        """Bring the object of a record that the target has but whose object is gone or damaged; False if the source has none."""
        if self.source.manifest(record.object) is None:
            return False
        self.object(record.object)
        return True

    def _has(self, oid: str) -> bool:
        """Whether the target has an object, by what it says itself."""
        try:
            manifest = self.target.manifest(oid)
        except DamageError:
            return False
        return manifest is not None and self.target.has_object(manifest, contents=self.verify)

    # -- items ----------------------------------------------------------------------------------------------------

    def item_sets(self, record: Record) -> None:
        """Bring the rows that a result was assembled from."""
        if record.items:
            self._item_set(record.key.stage, record.items)

    def _item_set(self, stage: str, name: str) -> None:
        for directory, accepted in predecessors(self.source, stage, name):
            if directory in self._sets:
                continue
            self._sets.add(directory)
            for shard in filter(addresses.is_shard, self.source.names(directory)):
                self._shard(f"{directory}/{shard}")
            path = f"{directory}/accepted.json"
            if accepted and not self.dry_run and self.target.size(path) is None:
                self.target.write(path, accepted, read_only=False)

    def _shard(self, path: str) -> None:
        """Bring what is new in a shard. One that is damaged is left out: its rows can be computed anew, and the rest is of use."""
        try:
            size = self.source.size(path) or 0
            new = size - (self.target.size(path) or 0) if self.dry_run else self.target.receive_shard(path, self.source, self._travelled)
        except DamageError as error:
            self.moved.damaged.append(str(error))
            return
        if new > 0:
            self.moved.shards += 1
            self.moved.size += new

    # -- names ----------------------------------------------------------------------------------------------------

    def ref(self, path: str, key: str) -> None:
        """Let a ref of the target name a result that it has."""
        line = f"{addresses.digest(key)}\n".encode()
        with contextlib.suppress(DamageError):  # whatever stands there is replaced
            if self.target.read(path, 4096) == line:
                return
        self.moved.refs += 1
        if self.dry_run:
            return
        if self.own(key) is None:
            raise RemoteError(f"{self.target.name}: the result {key[:12]} was removed meanwhile", hint="run the same command again")
        self.target.write(path, line, read_only=False)

    def pin(self, name: str) -> None:
        """Bring a pin (the file ``pins/<name>``); one that the target has is kept."""
        path = f"pins/{name}"
        data = self.source.read(path)
        if data is None or self.target.size(path) is not None:
            return
        try:
            open_sealed(data)
        except ValueError as error:
            raise self.source.damage(f"the pin {name} is damaged ({error})") from error
        self.moved.pins += 1
        if not self.dry_run:
            self.target.write(path, data, read_only=False)

    # -- what was imported ----------------------------------------------------------------------------------------

    def sealed(self, path: str, wrong: Callable[[dict[str, Any]], str], *, replace: bool = False) -> dict[str, Any] | None:
        """Bring a sealed file; one that the target has is kept, or with ``replace`` replaced. Returns what it says if it came.

        Raises DamageError if it is damaged, or if ``wrong`` says what cannot be in it.
        """
        data = self.source.read(path)
        if data is None:
            return None
        there = self.target.size(path) is not None
        if there and (not replace or self._same(path, data)):
            return None
        try:
            value = open_sealed(data)
        except ValueError as error:
            raise self.source.damage(f"{path} is damaged ({error})") from error
        if told := wrong(value):
            raise self.source.damage(f"{path}: {told}")
        self.moved.files += 1
        if not self.dry_run:
            self.target.write(path, data, read_only=False)
        return value

    def file(self, path: str, check: Check) -> bool:
        """Bring a large file that ``check`` finds whole; one that the target has is kept. False if it did not come."""
        size = self.source.size(path)
        if size is None or self.target.size(path) is not None:
            return False
        if not self.dry_run:
            self.target.receive_file(path, self.source, self._travelled, check)
        self.moved.files += 1
        self.moved.size += size
        return True

    def _same(self, path: str, data: bytes) -> bool:
        with contextlib.suppress(DamageError):
            return self.target.read(path) == data
        return False


def predecessors(remote: Remote, stage: str, name: str) -> list[tuple[str, bytes]]:
    """An item set and those whose rows were accepted for it, the oldest first: directory, and its ``accepted.json`` or nothing."""
    found: dict[str, bytes] = {}
    while (directory := addresses.items(stage, name)) not in found:
        data = remote.read(f"{directory}/accepted.json") or b""
        found[directory] = data
        if not data:
            break
        try:
            name = addresses.digest(open_sealed(data)["items"])
        except (ValueError, KeyError) as error:
            raise remote.damage(f"{directory}/accepted.json is damaged ({error})") from error
    return list(found.items())[::-1]


def open_remote(text: str, *, create: bool = False) -> Remote:
    """Open a remote: a directory, or a URL that fsspec knows. Raises RemoteError if it is no store; ``create``: an empty place will do."""
    if "://" in text:
        remote: Remote = Url(text)
    else:
        root = Path(os.path.expanduser(text)).resolve()  # noqa: PTH111 - the method raises for an unknown ~user
        if not root.exists() and ":" in text.partition("/")[0]:
            raise RemoteError(f"{text}: there is no such directory", hint="mount it, or push into a directory and rsync that")
        remote = Directory(root)
    remote.check_format(create=create)
    return remote
