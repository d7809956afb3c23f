"""Pins: results that are kept by name, whatever becomes of the refs."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from cache import fs
from cache.errors import StoreError, nearest
from cache.names import escape
from cache.record import Record
from cache.store import Store, listed, open_sealed, seal


@dataclass(frozen=True)
class Pin:
    """A name for a result. ``alone``: only this result is kept, not what it was made from."""

    name: str
    key: str
    node: str
    dataset: str = ""
    system: str = ""
    because: str = ""
    created: float = 0.0
    alone: bool = False


def path_of(store: Store, name: str) -> Path:
    """File of the pin ``name``: any text is a name."""
    return store.root / "pins" / f"{escape(name)}.json"


def read(path: Path) -> Pin:
    """Read a pin. Raises ValueError if it is damaged."""
    value = open_sealed(path.read_bytes())
    try:
        return Pin(**value)
    except TypeError as error:
        raise ValueError("it holds other fields than a pin") from error


def files(store: Store) -> list[Path]:
    """The files of all pins, sorted."""
    return sorted(path for path in listed(store.root / "pins") if path.suffix == ".json")


def pins(store: Store) -> dict[str, Pin]:
    """All pins by name. Raises StoreError if one is damaged: what it kept must not be collected unnoticed."""
    found: dict[str, Pin] = {}
    for path in files(store):
        try:
            pin = read(path)
        except ValueError as error:
            raise StoreError(
                f"the pin {path} is damaged: {error}", hint="kdpipe fsck --repair puts it aside; pin the result again"
            ) from error
        found[pin.name] = pin
    return found


def pin(store: Store, name: str, record: Record, *, because: str = "", alone: bool = False) -> Pin:
    """Keep ``record`` under ``name``; raises StoreError if the name is taken by another result, or the result is gone."""
    there = pins(store).get(name)
    if there is not None and there.key != record.digest:
        raise StoreError(f"'{name}' pins another result already ({there.node} {there.key[:12]})", hint=f"kdpipe unpin {name}")
    if there is not None and (there.because, there.alone) == (because, alone):
        return there
    made = Pin(name, record.digest, record.node, record.dataset, record.system, because, round(time.time(), 3), alone)
    with store.publishing():
        if store.record(record.digest) is None:
            raise StoreError(f"the result {record.digest[:12]} is not in the store any more", hint=f"kdpipe run {record.node}")
        store.write(path_of(store, name), seal(asdict(made)))
    return made


def unpin(store: Store, name: str) -> Pin:
    """Forget a pin; the result stays until gc finds that nothing needs it. Raises StoreError naming the nearest pin."""
    known = pins(store)
    if name not in known:
        raise StoreError(f"there is no pin '{name}'", hint=nearest(name, known))
    fs.remove_file(path_of(store, name))
    return known[name]
