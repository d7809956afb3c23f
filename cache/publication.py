"""Publishing a result: its object, then the record that names it, and a second look whether the two are there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cache import fs
from cache.digest import Manifest
from cache.errors import GoneError
from cache.members import Members
from cache.record import Record
from cache.store import Store


def publish(store: Store, temporary: Path, describe: Callable[[Manifest], Record], members: Members | None = None) -> Record:
    """Make ``temporary/files`` an object and write its record, as ``describe`` makes it. Returns what was written.

    If the object was there already and went while its record was being written (locks keep gc away, but not all file systems have
    them), ``temporary`` takes its place.
    """
    manifest = Manifest.of_tree(temporary / "files")
    record = describe(manifest)
    while True:
        new = store.name_object(temporary, manifest)
        try:
            record = store.publish_record(record, members)
        except GoneError:
            if new:
                raise
            fs.remove_file(temporary / "manifest.json")
            continue
        if not new:
            fs.remove_tree(temporary)
        return record
