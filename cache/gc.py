"""Garbage collection: what no ref, pin, recent result or running stage needs, by marking from these.

Kept are the results that refs and pins name, with all that they were made from; the last ``keep`` results of every node (with what
they were made from); whatever a running stage holds; and everything younger than the grace period. Item sets are kept as long as one
kept result was assembled from them. Collecting moves things out of sight first, while nobody publishes, and deletes them then: a kill
in between leaves only temporary files, which the next run sweeps.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cache import fs, locks, network
from cache.errors import StoreError
from cache.pins import pins
from cache.record import Record
from cache.store import Store, listed, shelved

DAY = 86400.0


@dataclass(frozen=True)
class Rubbish:
    """Something that nothing needs: ``kind`` is record, object, items, scratch or quarantine; ``size`` in bytes, ``age`` in seconds."""

    kind: str
    path: Path
    what: str
    size: int
    age: float


@dataclass
class Marked:
    """What is needed."""

    actions: set[str] = field(default_factory=set)
    objects: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)  # stage/name, names cut as they are on disk


def find(store: Store, *, keep: int = 3, grace: float = 7 * DAY) -> list[Rubbish]:
    """What could go. ``grace`` is in seconds; nothing younger is named. Raises StoreError if a ref, pin or record cannot be trusted."""
    records = _records(store)
    marked = mark(store, records, keep)
    found = [*_rubbish_records(store, records, marked), *_rubbish_objects(store, marked), *_rubbish_items(store, marked)]
    found += _rubbish_directories(store)
    aged = [Rubbish(r.kind, r.path, r.what, r.size, time.time() - _changed(r.path)) for r in found]
    return [r for r in aged if r.age >= grace]


def collect(store: Store, *, keep: int = 3, grace: float = 7 * DAY) -> list[Rubbish]:
    """Remove what :func:`find` names; returns what was removed."""
    bin = store.temporary()
    with store.publishing(collecting=True):
        _look_anew(store)
        before = set(store.keys())
        found = find(store, keep=keep, grace=grace)
        if found:
            fs.make_directory(bin)
        order = {"record": 0, "object": 1}  # a record never outlives its object
        places = {bin / str(n): rubbish for n, rubbish in enumerate(sorted(found, key=lambda r: order.get(r.kind, 2)))}
        for place, rubbish in list(places.items()):
            try:
                fs.rename(rubbish.path, place)
            except FileNotFoundError:  # a collection on another machine was first
                found.remove(places.pop(place))
                continue
            if rubbish.kind == "record" and (members := rubbish.path.with_suffix(".members")).exists():
                fs.rename(members, place.with_suffix(".members"))
        needed = _put_back(store, places, before - {r.path.stem for r in found if r.kind == "record"})
    fs.remove_tree(bin)
    return [rubbish for rubbish in found if rubbish not in needed]


def _put_back(store: Store, places: dict[Path, Rubbish], known: set[str]) -> list[Rubbish]:
    """Put back what was named while it was being moved: not every file system has the locks that keep publications away.

    A publication names a thing and then looks whether it is there; here it is moved and then looked for names: one of the two sees it.
    """
    needed: list[Rubbish] = []
    _look_anew(store)
    records = [store.read_record(key) for key in store.keys() if key not in known]  # noqa: SIM118 - not a mapping
    objects = {record.object for record in records if record is not None}
    keys = {key for _, key in store.refs()}
    for place, rubbish in places.items():
        if rubbish.kind == "record" and rubbish.path.stem in keys and not rubbish.path.exists():
            objects.add(Record.load(place.read_bytes(), rubbish.path.stem).object)
            fs.move(place, rubbish.path)
            if (members := place.with_suffix(".members")).exists():
                fs.move(members, rubbish.path.with_suffix(".members"))
            needed.append(rubbish)
    for place, rubbish in places.items():
        if rubbish.kind == "object" and rubbish.path.name in objects:
            fs.publish_directory(place, rubbish.path)  # or the publication has put its own there
            needed.append(rubbish)
    return needed


def _look_anew(store: Store) -> None:
    """See what other machines have named a moment ago, and who is at work, also on a network file system."""
    rooms = [store.root / name for name in ("actions", "objects", "refs", "items", "pins", "locks")]
    shelves = [path for room in rooms[:2] for path in listed(room)]
    systems = [path for path in (store.root / "refs").glob("*/*") if path.is_dir()]
    for directory in (*rooms, *shelves, *systems, *listed(store.root / "refs"), *listed(store.root / "items")):
        if directory.is_dir():
            network.look_anew(directory)


def mark(store: Store, records: dict[str, Record], keep: int) -> Marked:
    """Everything that refs, pins, the last ``keep`` results of every node and running stages need."""
    marked = Marked()
    roots = [key for _, key in store.refs()]
    alone: list[str] = []
    for pin in pins(store).values():
        (alone if pin.alone else roots).append(pin.key)
    roots += _recent(records.values(), keep)
    for holder in store.holders():
        roots += holder.uses.get("actions", [])
        marked.objects |= set(holder.uses.get("objects", []))
        marked.items |= {_on_disk(name) for name in holder.uses.get("items", [])}
    _follow(store, records, roots, marked)
    for key in alone:
        if key in records:
            _mark_one(store, records[key], marked)
            marked.actions |= _ancestors(records, key)  # small, and they tell where the result came from
    return marked


def _follow(store: Store, records: dict[str, Record], roots: Iterable[str], marked: Marked) -> None:
    stack = list(roots)
    seen: set[str] = set()
    while stack:
        key = stack.pop()
        if key in seen or key not in records:
            continue
        seen.add(key)
        record = records[key]
        _mark_one(store, record, marked)
        stack.extend(record.parents.values())
        if record.accepted.get("from"):
            stack.append(record.accepted["from"])


def _mark_one(store: Store, record: Record, marked: Marked) -> None:
    marked.actions.add(record.digest)
    marked.objects.add(record.object)
    if record.items:
        marked.items.add(_on_disk(f"{record.key.stage}/{record.items}"))
        marked.items |= {f"{record.key.stage}/{path.name}" for path in store.predecessors(record.key.stage, record.items)}


def _ancestors(records: dict[str, Record], key: str) -> set[str]:
    found: set[str] = set()
    stack = [key]
    while stack:
        for parent in records[stack.pop()].parents.values():
            if parent in records and parent not in found:
                found.add(parent)
                stack.append(parent)
    return found


def _recent(records: Iterable[Record], keep: int) -> list[str]:
    by_node: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        by_node[record.dataset, record.system, record.node].append(record)
    return [r.digest for group in by_node.values() for r in sorted(group, key=lambda r: r.created, reverse=True)[:keep]]


def _records(store: Store) -> dict[str, Record]:
    """All records. A damaged one stops everything: what it needs is unknown."""
    found: dict[str, Record] = {}
    for key in store.keys():  # noqa: SIM118 - not a mapping
        record = store.read_record(key)
        if record is not None:
            found[key] = record
    for path, key in store.refs():
        if key not in found:
            raise StoreError(f"the ref {path} names a record that is not there", hint="kdpipe fsck --repair first; nothing was removed")
    return found


def _rubbish_records(store: Store, records: dict[str, Record], marked: Marked) -> Iterable[Rubbish]:
    for key, record in records.items():
        if key not in marked.actions:
            path = store.action_path(key)
            yield Rubbish("record", path, f"{record.node} {key[:12]}", path.stat().st_size, 0.0)
    for path in shelved(store.root / "actions"):
        if path.suffix == ".members" and path.stem not in records:
            yield Rubbish("members", path, path.stem[:12], path.stat().st_size, 0.0)


def _rubbish_objects(store: Store, marked: Marked) -> Iterable[Rubbish]:
    for digest in store.objects():
        if digest not in marked.objects:
            path = store.object_path(digest)
            yield Rubbish("object", path, digest[:12], size_of(path), 0.0)


def _rubbish_items(store: Store, marked: Marked) -> Iterable[Rubbish]:
    for path in shelved(store.root / "items"):
        stage = path.parent.name
        if f"{stage}/{path.name}" not in marked.items:
            yield Rubbish("items", path, f"{stage} {path.name[:12]}", size_of(path), 0.0)


def _rubbish_directories(store: Store) -> Iterable[Rubbish]:
    """Checkpoints of runs that were given up, and what was put into quarantine."""
    for path in listed(store.root / "scratch"):
        if locks.holder_of(store.root / "locks" / f"{path.name}.lock") is None:
            yield Rubbish("scratch", path, f"checkpoints of {path.name[:12]}", size_of(path), 0.0)
    for path in listed(store.root / "quarantine"):
        yield Rubbish("quarantine", path, path.name, size_of(path), 0.0)


def size_of(path: Path) -> int:
    """Bytes of a file or of everything in a directory."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for directory, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(directory, name)).st_size  # noqa: PTH118 - many files
            except FileNotFoundError:
                continue
    return total


def _changed(path: Path) -> float:
    """When something was last changed: for a directory, the newest of it and what is directly in it."""
    times = [path.stat().st_mtime]
    if path.is_dir():
        times += [child.stat().st_mtime for child in listed(path)]
    return max(times)


def _on_disk(name: str) -> str:
    stage, _, rest = name.partition("/")
    return f"{stage}/{rest[:32]}"
