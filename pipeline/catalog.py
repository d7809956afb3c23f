"""All results of a store: what each was made from, what was made from it, who names it, and whether it is still whole."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cache.errors import StoreError
from cache.names import unescape
from cache.pins import pins
from cache.record import Record
from cache.store import Store
from pipeline.imports import ENTRY

CURRENT = "current"
PINNED = "pinned"
OLD = "old"
ACCEPTED = "accepted"
IMPORTED = "imported"
FROM_STALE = "from stale"
GONE = "object gone"
DAMAGED = "damaged"


@dataclass(frozen=True)
class Use:
    """A ref that names a result."""

    dataset: str
    system: str
    node: str


@dataclass(frozen=True)
class Artifact:
    """One result. ``record`` is None if it cannot be read; ``damage`` says why then.

    children: keys of the results that were made from it, or from an equal result of its stage (one that was accepted, say).
    """

    key: str
    record: Record | None
    damage: str = ""
    gone: bool = False
    uses: tuple[Use, ...] = ()
    pins: tuple[str, ...] = ()
    children: tuple[str, ...] = ()

    @property
    def parents(self) -> tuple[str, ...]:
        """Keys of the results that it was made from."""
        return tuple(dict.fromkeys(self.record.parents.values())) if self.record is not None else ()

    @property
    def node(self) -> str:
        """The node that made it, or one that uses it now."""
        return self.record.node if self.record is not None and self.record.node else self.uses[0].node if self.uses else "?"

    @property
    def stage(self) -> str:
        """Its stage."""
        return self.record.key.stage if self.record is not None else self.node.split(".")[0]

    @property
    def dataset(self) -> str:
        """The dataset that it was first made for; records of format 1 don't say, their refs do."""
        return self.record.dataset if self.record is not None and self.record.dataset else self.uses[0].dataset if self.uses else ""

    @property
    def system(self) -> str:
        """The system that it was first made for."""
        return self.record.system if self.record is not None and self.record.system else self.uses[0].system if self.uses else ""

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return self.record.size if self.record is not None else 0

    @property
    def age(self) -> float:
        """Seconds since it was begun; -1 if nobody knows."""
        return max(0.0, time.time() - self.record.created) if self.record is not None else -1.0

    @property
    def states(self) -> tuple[str, ...]:
        """Everything that is to be known of its standing: who names it, then what is wrong or special."""
        named = [word for word, is_so in ((CURRENT, self.uses), (PINNED, self.pins)) if is_so] or [OLD]
        record = self.record
        special = [(DAMAGED, record is None), (GONE, self.gone)]
        if record is not None:
            special += [(IMPORTED, record.key.entry == ENTRY), (ACCEPTED, bool(record.accepted)), (FROM_STALE, bool(record.stale_inputs))]
        return (*named, *(word for word, is_so in special if is_so))


@dataclass(frozen=True)
class Catalog:
    """The results of a store by key, in the order of their keys. ``notes`` says what else could not be read."""

    artifacts: dict[str, Artifact]
    notes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, store: Store) -> Catalog:
        """Read every record, ref and pin. What is damaged becomes a row or a note, never an error."""
        uses: dict[str, list[Use]] = {}
        for use, key in _uses(store):
            uses.setdefault(key, []).append(use)
        pinned, notes = _pinned(store)
        records: dict[str, tuple[Record | None, str]] = {}
        children: dict[str, list[str]] = {}
        for key in store.keys():  # noqa: SIM118 - a store is no mapping
            try:
                record, damage = store.read_record(key), ""
            except StoreError as error:
                record, damage = None, error.message
            records[key] = record, damage
            for parent in dict.fromkeys(record.parents.values()) if record is not None else ():
                children.setdefault(parent, []).append(key)
        found = {
            key: Artifact(key, record, damage, _gone(store, record), tuple(uses.get(key, ())), tuple(pinned.get(key, ())))
            for key, (record, damage) in records.items()
        }
        return cls(_with_children(found, children), notes)

    def current(self, dataset: str, system: str) -> list[Artifact]:
        """What the refs of a dataset and system name."""
        return [a for a in self.artifacts.values() if any((use.dataset, use.system) == (dataset, system) for use in a.uses)]

    def ancestors(self, keys: Iterable[str]) -> list[Artifact]:
        """The results named and everything that they were made from, as far as the store still knows."""
        found: dict[str, Artifact] = {}
        queue = list(keys)
        while queue:
            key = queue.pop()
            if key in self.artifacts and key not in found:
                found[key] = self.artifacts[key]
                queue.extend(found[key].parents)
        return [self.artifacts[key] for key in self.artifacts if key in found]

    def total(self, artifacts: Iterable[Artifact]) -> int:
        """Bytes of the objects behind ``artifacts``, each counted once."""
        return sum({a.record.object: a.size for a in artifacts if a.record is not None and not a.gone}.values())


def _gone(store: Store, record: Record | None) -> bool:
    return record is not None and not (store.object_path(record.object) / "manifest.json").exists()


def _with_children(found: dict[str, Artifact], children: Mapping[str, Sequence[str]]) -> dict[str, Artifact]:
    """Equal results of one stage are one thing to those who read them: each has the children of all."""
    shared: dict[tuple[str, str], list[str]] = {}
    for artifact in found.values():
        shared.setdefault(_same(artifact), []).extend(children.get(artifact.key, ()))
    return {key: replace(artifact, children=tuple(dict.fromkeys(shared[_same(artifact)]))) for key, artifact in found.items()}


def _same(artifact: Artifact) -> tuple[str, str]:
    return (artifact.stage, artifact.record.object) if artifact.record is not None else ("", artifact.key)


def _uses(store: Store) -> Iterator[tuple[Use, str]]:
    for path, key in store.refs():
        names = [unescape(part) or part for part in path.relative_to(store.root / "refs").parts]
        if len(names) == 3:
            yield Use(*names), key


def _pinned(store: Store) -> tuple[dict[str, list[str]], list[str]]:
    found: dict[str, list[str]] = {}
    try:
        for name, pin in pins(store).items():
            found.setdefault(pin.key, []).append(name)
    except StoreError as error:
        return {}, [str(error)]
    return found, []
