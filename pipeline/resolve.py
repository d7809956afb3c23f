"""What people call a result: a node, the name of a pin, or the beginning of a key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cache.errors import ConfigError, KdpipeError, StoreError, nearest
from cache.pins import Pin, pins
from cache.record import Record
from cache.store import Store, listed
from pipeline.judge import DAMAGED, Judge
from pipeline.text import line_text

#: A shorter beginning of a key could be anybody's.
SHORTEST = 6


@dataclass(frozen=True)
class Result:
    """A result as somebody named it. ``record`` is None for a node that was never made."""

    name: str
    record: Record | None
    node: str = ""


def resolve(judge: Judge, text: str) -> list[Result]:
    """The results that ``text`` means: of nodes under the settings given (or else their last ones), of a pin, or of a key.

    Raises KdpipeError naming the nearest name, or all keys that an ambiguous beginning may mean.
    """
    try:
        names = judge.graph.select(text)
    except ConfigError as error:
        is_key = re.fullmatch(f"[0-9a-f]{{{SHORTEST},64}}", text)
        try:
            known = pins(judge.store)
        except StoreError:
            if not is_key:
                raise
            known = {}
        if text in known:
            return [of_pin(judge.store, known[text])]
        if is_key:
            return [of_key(judge.store, text)]
        hint = nearest(text, {*judge.graph.nodes, *known})
        raise KdpipeError(
            f"'{line_text(text)}' is no node, no pin and no key (at least {SHORTEST} hex digits of one)", hint=hint
        ) from error
    return [of_node(judge, name) for name in names]


def of_node(judge: Judge, name: str) -> Result:
    """The node's result under the present settings, or its last one. Raises StoreError if its record is damaged."""
    state = judge.state(name)
    if state.status == DAMAGED and judge.usable(name) is None:
        raise StoreError(f"{name}: {state.reason}", hint="kdpipe fsck --repair puts it aside; run again then")
    return Result(name, state.record or judge.last(name), name)


def of_pin(store: Store, pin: Pin) -> Result:
    """The result that a pin keeps."""
    record = store.read_record(pin.key)
    if record is None:
        raise StoreError(f"the record that '{pin.name}' pins is gone ({pin.key[:12]})", hint="kdpipe fsck")
    return Result(pin.name, record, pin.node)


def of_key(store: Store, prefix: str) -> Result:
    """The result whose key begins with ``prefix``."""
    paths = listed(store.root / "actions" / prefix[:2])
    keys = sorted(path.stem for path in paths if path.suffix == ".json" and path.stem.startswith(prefix))
    if not keys:
        raise KdpipeError(f"no key begins with {prefix}", hint="kdpipe ls --all shows them all")
    if len(keys) > 1:
        shown = "\n    ".join(f"{key[:16]}  {_node_of(store, key)}" for key in keys[:20])
        raise KdpipeError(f"{len(keys)} keys begin with {prefix}:\n    {shown}", hint="say more digits")
    record = store.read_record(keys[0])
    assert record is not None
    return Result(record.node or record.key.stage, record, record.node)


def _node_of(store: Store, key: str) -> str:
    try:
        record = store.read_record(key)
    except StoreError:
        return "damaged"
    return f"{record.node} of {record.dataset}/{record.system}" if record is not None else "gone"
