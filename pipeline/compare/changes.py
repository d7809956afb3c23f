"""Which settings, code and files differ between two results, and between all that they were made from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cache.errors import StoreError
from cache.record import Record
from cache.store import Store
from pipeline.why import Component, differences


@dataclass(frozen=True)
class Change:
    """A difference, and the nodes of which it is one (``student.kd.s0``, or ``student.alone.s0 → student.kd.s0``)."""

    component: Component
    nodes: tuple[str, ...]


def changes(store: Store, pairs: Iterable[tuple[Record, Record]], *, follow: bool = True) -> list[Change]:
    """What differs in the keys of each pair; equal differences of several nodes are one.

    An input that differs is followed to the two results that it was, and these are compared in its place, as far as the store still has
    them. ``follow=False``: inputs are left out.
    """
    found: dict[tuple[str, str, str], tuple[Component, list[str]]] = {}
    for name, component in _walk(store, list(pairs), follow=follow):
        _, names = found.setdefault((name.split(".")[0], component.component, component.text), (component, []))
        if name not in names:
            names.append(name)
    return [Change(component, tuple(names)) for component, names in found.values()]


def _walk(store: Store, queue: list[tuple[Record, Record]], *, follow: bool) -> Iterator[tuple[str, Component]]:
    seen = set()
    for old, new in queue:  # grows while it is walked
        if old.digest == new.digest or (old.digest, new.digest) in seen:
            continue
        seen.add((old.digest, new.digest))
        for component in _own(old, new):
            if component.component != "input":
                yield _name(old, new), component
            elif follow and (before := _parents(store, (old, new), component.name)) is not None:
                queue.append(before)
            elif follow:
                yield _name(old, new), component


def _own(old: Record, new: Record) -> Sequence[Component]:
    """The differences of two keys; of two stages that they are two, and the settings and inputs that both have."""
    found = differences(old, new.key, new.definitions)
    if old.key.stage == new.key.stage:
        return found
    told = Component("stage", "stage", old.key.stage, new.key.stage, f"another stage: {old.key.stage} → {new.key.stage}")
    shared = [one for one in found if one.component in ("param", "input") and one.old is not None and one.new is not None]
    return [told, *shared]


def _parents(store: Store, pair: tuple[Record, Record], alias: str) -> tuple[Record, Record] | None:
    """What both read under a name, if it is there and differs in its key; None: the input itself is all that can be told."""
    found = []
    for record in pair:
        try:
            parent = store.read_record(record.parents.get(alias, "-"))
        except StoreError:
            return None
        if parent is None:
            return None
        found.append(parent)
    return (found[0], found[1]) if found[0].digest != found[1].digest else None


def _name(old: Record, new: Record) -> str:
    one, other = (record.node or record.key.stage for record in (old, new))
    return one if one == other else f"{one} → {other}"
