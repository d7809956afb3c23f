"""Accepting an old result for a new key: after an edit that the fingerprint cannot know to be harmless.

The old output is bound to the new key by a record that says so, with the reason; everything that uses it shows it, and it can be undone.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable

from cache import fs
from cache.errors import KdpipeError, StaleInputError
from cache.record import Record
from cache.store import seal
from pipeline.judge import FRESH, WAITS, Judge


def accept(judge: Judge, names: Iterable[str], because: str) -> list[Record]:
    """Accept the last result of every named node that is not fresh, in the graph's order; returns the records that say so.

    Raises StaleInputError if a node waits for another one, KdpipeError if there is no old result, StoreError if it is damaged.
    """
    if not because.strip():
        raise KdpipeError("why is the old result good enough?", hint='kdpipe accept STAGE --because "only renamed a variable"')
    return [_accept_one(judge, name, because.strip()) for name in names if judge.state(name).status != FRESH]


def _accept_one(judge: Judge, name: str, because: str) -> Record:
    node, state, store = judge.graph.nodes[name], judge.state(name), judge.store
    where = f"--dataset {judge.dataset} --system {judge.system}"
    if state.status == WAITS:
        raise StaleInputError(f"{name} {state.reason}", hint=f"accept or run that first: kdpipe status {where}")
    last = judge.last(name)
    if last is None or state.key is None:
        raise KdpipeError(f"there is no old result of {name} to accept", hint=f"kdpipe run {name} {where}")
    store.check_object(last.object)
    record = dataclasses.replace(
        last,
        key=state.key,
        items=judge.item_key(node, state.key) if last.items else "",
        node=name,
        dataset=judge.dataset,
        system=judge.system,
        parents={alias: parent.digest for alias, parent in judge.inputs(node).items()},
        definitions=judge.definitions(node),
        accepted={"because": because, "from": last.digest, "when": time.strftime("%Y-%m-%d %H:%M")},
    )
    with store.publishing():
        if last.items and last.items != record.items:
            path = store.items_path(record.key.stage, record.items) / "accepted.json"
            store.write(path, seal({"items": last.items, "because": because}))
        record = store.publish_record(record, store.members(last))
        store.set_ref(judge.dataset, judge.system, name, record.digest)
    judge.forget(name)
    return record


def undo(judge: Judge, names: Iterable[str]) -> list[Record]:
    """Take back what was accepted for the named nodes: their refs name the results from before. Returns the records taken back."""
    store, taken = judge.store, []
    for name in names:
        record = judge.last(name)
        if record is None or not record.accepted:
            continue
        with store.publishing():
            before = store.record(record.accepted["from"])
            for path, key in list(store.refs()):  # other datasets may have met the same key
                if key == record.digest and before is not None:
                    store.write(path, f"{before.digest}\n".encode())
                elif key == record.digest:
                    fs.remove_file(path)
            if record.items:
                fs.remove_file(store.items_path(record.key.stage, record.items) / "accepted.json")
            fs.remove_file(store.action_path(record.digest))
            fs.remove_file(store.members_path(record.digest))
        judge.forget(name)
        taken.append(record)
    return taken


def accepted_under(judge: Judge, name: str) -> dict[str, dict[str, str]]:
    """What was accepted, rather than computed, among a node's result and everything that it is made from: node -> because, from, when."""
    found: dict[str, dict[str, str]] = {}
    for node in judge.graph.closure([name]):
        record = judge.state(node.name).record or judge.usable(node.name)
        if record is not None and record.accepted:
            found[node.name] = record.accepted
    return found
