"""Why a node is not fresh, to the bottom: which videos, files and functions, what its inputs wait for, and what comes nearest to it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cache.digest import canonical
from cache.errors import StoreError
from cache.members import Change, Members
from cache.stage import Node
from cache.store import Key, Record, Store
from pipeline.installed import RECORDED, versions
from pipeline.judge import DAMAGED, FRESH, NEVER_MADE, WAITS, Judge, State, plain_params
from pipeline.text import age_text, line_text
from pipeline.why import Component, changed, differences, module_file, one_line

#: How many ids or names a line shows.
SHOWN = 3


@dataclass(frozen=True)
class Nearest:
    """The result of the same stage that differs least from what is wanted, and what nobody has seen before.

    ``whole`` is False while what the node reads is not known and so not compared.
    """

    record: Record
    components: list[Component]
    never_seen: list[Component]
    whole: bool = True


@dataclass(frozen=True)
class Explanation:
    """Why a node stands where it stands. ``lines`` says all of it."""

    node: str
    status: str
    reason: str
    components: list[Component] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    nearest: Nearest | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The whole explanation, for people."""
        own = [component.text for component in self.components]
        lines = [*self.waits, *([f"by itself: {text}" for text in own] if self.waits else own)]
        if not lines and self.status != FRESH and self.reason:
            lines = [self.reason]
        if self.nearest is not None:
            lines += _nearest_lines(self.nearest)
        return lines + self.notes


def explain(judge: Judge, name: str, *, verbose: bool = False) -> Explanation:
    """Explain one node. ``judge`` should read files; ``verbose`` notes versions that differ even where nothing else does."""
    state = judge.state(name)
    last = _last(judge, name)
    waits = _roots(judge, name) if state.status == WAITS else []
    components: list[Component] = []
    nearest = None
    if state.status not in (FRESH, DAMAGED):
        wanted = _wanted(judge, state, last)
        if last is not None:
            components = _detailed(judge, state, last, wanted)
        elif wanted is not None:
            nearest = _nearest(judge.store, state, wanted, judge.definitions(state.node))
    notes = _notes(judge, state, last, different=bool(components) or verbose)
    if state.status not in (FRESH, DAMAGED, WAITS) and last is None and nearest is None and state.key is not None:
        notes.insert(0, "no result of this stage was ever made in this store")
    return Explanation(name, state.status, state.reason, components, waits, nearest, notes)


def _last(judge: Judge, name: str) -> Record | None:
    """The node's last record, whatever became of its files; None if there is none that can be read."""
    try:
        key = judge.ref(name)
        return judge.store.read_record(key) if key else None
    except StoreError:
        return None


def _wanted(judge: Judge, state: State, last: Record | None) -> Key | None:
    """The key wanted now; of a node that waits, as far as it is known: what it reads is taken to be what it read last."""
    if state.key is not None or state.status != WAITS:
        return state.key
    node, store = state.node, judge.store
    facts = {name: store.memo.digest(path) for name, path in judge.files(node).items()} | judge.packaged(node)
    code = {name: module.digest for name, module in judge.code(node).items()}
    inputs, sources = (last.key.inputs, last.key.sources) if last is not None else ({}, "")
    stage = node.stage
    return Key(stage.name, stage.version, stage.entry, plain_params(node), code, inputs, sources, facts, judge.facets(node))


def _detailed(judge: Judge, state: State, last: Record, wanted: Key | None) -> list[Component]:
    if wanted is None:
        return []
    found = differences(last, wanted, judge.definitions(state.node))
    return [_with_details(judge, state, last, component) for component in found]


def _with_details(judge: Judge, state: State, last: Record, component: Component) -> Component:
    """The same component, saying which items or files it comes down to."""
    text, details = component.text, component.details
    if component.component == "sources":
        now = Members({path: ("", digest) for path, digest in judge.sources(state.node).items()})
        text, details = _compared("raw files", judge.store.members(last).contents(), now, "") or (text, details)
    elif component.component == "input" and component.old and component.new:
        present = judge.inputs(state.node)[component.name]
        text, details = _input(judge.store, component, _parent(judge.store, last, component.name), present)
    return dataclasses.replace(component, text=text, details=details)


# -- what went in ---------------------------------------------------------------------------------------------------------


def _parent(store: Store, record: Record, alias: str) -> Record | None:
    """The record that an input came from, if it is still there and made what was read."""
    try:
        parent = store.read_record(record.parents.get(alias, "-"))
    except StoreError:
        return None
    return parent if parent is not None and parent.object == record.key.inputs[alias] else None


def _input(store: Store, component: Component, old: Record | None, new: Record) -> tuple[str, tuple[str, ...]]:
    """Which items of an input changed, or else which of its files, and of the raw files behind it."""
    label = f"input {component.name}"
    was, now = (store.members(record).contents() if record is not None else Members() for record in (old, new))
    if new.items and (told := _compared(label, was, now, " videos")):
        return told
    text, details = _files_of(store, label, component)
    raw = None if new.items else _compared("raw files", was, now, "")
    return (f"{text}; {raw[0]}", raw[1]) if raw is not None else (text, details)


def _files_of(store: Store, label: str, component: Component) -> tuple[str, tuple[str, ...]]:
    """Which files of an input changed."""
    try:
        before, after = ({entry.path: entry.sha256 for entry in store.manifest(digest).files} for digest in (component.old, component.new))
    except StoreError:
        return f"{label} changed (what it was is no longer in the store)", ()
    differing = sorted(name for name, _, _ in changed(before, after))
    if len(differing) <= SHOWN and len(differing) < max(len(before), 2):
        return f"{label}: {', '.join(map(line_text, differing))} changed", tuple(differing)
    was, now = (Members({path: ("", digest) for path, digest in files.items()}) for files in (before, after))
    return _compared(label, was, now, " files") or (f"{label} changed", ())


def _compared(label: str, old: Members, new: Members, noun: str) -> tuple[str, tuple[str, ...]] | None:
    """``"input features: 3 of 1,970 videos changed (a, b, c), 2 new (d, e), 1 gone (f)"``; None if nothing is known, or nothing differs."""
    if not old.rows or not new.rows:
        return None
    change = Change.between(old, new)
    said = []
    if change.changed:
        said.append(f"{_count(len(change.changed), change.total)}{noun} changed{_named(change.changed, change.total)}")
    said += [f"{len(ids):,} {word}{_named(ids)}" for ids, word in ((change.added, "new"), (change.gone, "gone")) if ids]
    if not said:
        return None
    if not change.changed:
        said[-1] += f", of {change.total:,}{noun} now"
    return f"{label}: {', '.join(said)}", (*change.changed, *change.added, *change.gone)


def _count(part: int, total: int) -> str:
    return f"all {total:,}" if part == total > 1 else f"{part:,} of {total:,}"


def _named(ids: Iterable[str], total: int = 0) -> str:
    names = [line_text(id) for id in ids]
    if len(names) == total > SHOWN:
        return ""
    return f" ({', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''})"


# -- what it waits for ----------------------------------------------------------------------------------------------------


def _roots(judge: Judge, name: str) -> list[str]:
    """One line per node that must run first and can: how the waiting leads there, and why it is not fresh."""
    queue: list[tuple[str, ...]] = [(name,)]
    seen = {name}
    lines = []
    for path in queue:
        state = judge.state(path[-1])
        if state.status != WAITS:
            through = "".join(f"waits for {step}, which " for step in path[1:])
            lines.append(f"{through}{_standing(judge, state)}")
            continue
        for read in state.node.reads.values():
            if read not in seen and judge.state(read).status != FRESH:
                seen.add(read)
                queue.append((*path, read))
    return lines


def _standing(judge: Judge, state: State) -> str:
    last = _last(judge, state.node.name)
    if last is None or state.key is None or state.status == DAMAGED:
        return "was never made" if state.reason == NEVER_MADE else f"is {state.status}: {state.reason}"
    return f"is {state.status}: {one_line(_detailed(judge, state, last, state.key))}"


# -- what comes nearest ---------------------------------------------------------------------------------------------------


def _nearest(store: Store, state: State, wanted: Key, definitions: Mapping[str, Mapping[str, str]]) -> Nearest | None:
    """Compare with every result of the same stage, whichever dataset or system it was made for."""
    skip = () if state.status != WAITS else ("input", "sources")
    best: Nearest | None = None
    seen: dict[tuple[str, str], set[bytes]] = {}
    for record in _of_stage(store, wanted.stage):
        found = [c for c in differences(record, wanted, definitions) if c.component not in skip]
        if best is None or (len(found), -record.created) < (len(best.components), -best.record.created):
            best = Nearest(record, found, [])
        for component, name, value in _values(record.key):
            seen.setdefault((component, name), set()).add(canonical(value))
    if best is None:
        return None
    unseen = [
        Component(kind, name, None, value, f"{_label(kind, name, wanted)}: never seen")
        for kind, name, value in _values(wanted)
        if kind not in skip and canonical(value) not in seen.get((kind, name), set())
    ]
    named = {(component.component, component.name): component for component in unseen}
    unseen = [dataclasses.replace(c, text=f"param {c.name} {c.new}: never seen") if c.component == "param" else c for c in named.values()]
    return Nearest(best.record, best.components, unseen, whole=not skip)


def _of_stage(store: Store, stage: str) -> Iterable[Record]:
    for key in store.keys():  # noqa: SIM118 - not a mapping
        try:
            record = store.read_record(key)
        except StoreError:
            continue
        if record is not None and record.key.stage == stage:
            yield record


def _values(key: Key) -> Iterable[tuple[str, str, Any]]:
    groups = {"param": key.params, "code": key.code, "input": key.inputs, "file": key.files, "environment": key.facets}
    for component, values in groups.items():
        yield from ((component, name, value) for name, value in values.items())
    if key.sources:
        yield "sources", "sources", key.sources


def _label(component: str, name: str, key: Key) -> str:
    if component == "code":
        return f"code {module_file(name, key.code)}"
    return "raw files" if component == "sources" else f"{component} {name}"


def _nearest_lines(nearest: Nearest) -> list[str]:
    record = nearest.record
    where = f"{record.dataset or '?'}/{record.system or '?'}"
    age = age_text(time.time() - record.created)
    same = (
        "no difference: its files were removed from the store"
        if nearest.whole
        else "no difference in itself; what it will read is not there yet"
    )
    lines = [
        f"the nearest result of this stage is {record.node or record.key.stage} of {where}, {record.digest[:12]}, {age} old; from there:"
    ]
    lines += [f"  {component.text}" for component in nearest.components] or [f"  {same}"]
    return lines + [f"{component.text} in any result of this stage" for component in nearest.never_seen]


# -- what else to know ----------------------------------------------------------------------------------------------------


def _notes(judge: Judge, state: State, last: Record | None, *, different: bool) -> list[str]:
    record = state.record or last
    notes = []
    if state.status == DAMAGED:
        notes.append("kdpipe fsck --repair puts what is damaged aside")
    elif state.status != FRESH and last is None:
        notes += _lost_ref(judge, state.node)
    if record is not None and record.accepted:
        accepted = record.accepted
        because = line_text(accepted.get("because", ""))
        notes.append(
            f"its result was accepted, not computed: because {because} (from {accepted.get('from', '')[:12]}, {accepted.get('when', '')})"
        )
    if record is not None and record.stale_inputs:
        notes.append(f"its result was made from old results of {', '.join(record.stale_inputs)} (--allow-stale)")
    if record is not None and different:
        now = versions()
        then = {name: version for name, version in record.versions.items() if name in (*RECORDED, "python")}
        for name, a, b in changed(then, now):
            if name in record.key.facets:
                continue
            notes.append(f"note: {name} {a or '(not installed)'} → {b or '(not installed)'} (recorded, not keyed)")
    return notes


def _lost_ref(judge: Judge, node: Node) -> list[str]:
    try:
        key = judge.ref(node.name)
    except StoreError as error:
        return [error.message]
    return [f"it was made once ({key[:12]}); that result is no longer in the store"] if key else []
