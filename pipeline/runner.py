"""Runs one node: hands the stage its context, checks what it did, and publishes the result."""

from __future__ import annotations

import contextlib
import resource
import shlex
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cache import fs
from cache.digest import Manifest
from cache.errors import DataError, KdpipeError, StoreError, ToleranceError, disk_error
from cache.items import ItemSet
from cache.ledger import Ledger
from cache.locks import Holder
from cache.publication import publish
from cache.record import Key, Record
from cache.stage import Context, Node, Progress
from cache.store import Store
from cache.timings import Timing
from pipeline import imports
from pipeline.installed import versions
from pipeline.judge import FRESH, Judge
from pipeline.progress import Bars
from pipeline.sinks.sink import Run, Spec
from pipeline.text import tolerance_text
from pipeline.watch import Watch


class Upstream(Protocol):
    """A store that results are taken from rather than computed (:mod:`cache.upstream`); ``place`` is a directory or URL."""

    place: str

    def fetch(self, store: Store, key: str) -> Record | None:
        """Bring the result of ``key`` into ``store``, verified; None if upstream does not have it."""

    def items(self, stage: str, name: str) -> list[Path]:
        """Directories of upstream whose rows may be read as they are."""


@dataclass(frozen=True)
class Options:
    """How to run, as opposed to what: none of these may change a result.

    verify: read every byte of what a node reads.
    sinks:  where else the epochs of trainings go.
    begin:  told the name of a node and the reason when it begins to run; without it ``say`` says so.
    """

    workers: int = 1
    threads: int = 1
    progress: str = "quiet"
    verify: bool = False
    upstream: Upstream | None = None
    sinks: tuple[Spec, ...] = ()
    say: Callable[[str], None] = lambda line: None
    begin: Callable[[str, str], None] | None = None


class Busy(Exception):
    """Another process computes the same result, and we were told not to wait. ``holder`` says who, if it is known."""

    def __init__(self, node: str, holder: Holder | None) -> None:
        super().__init__(node)
        self.node = node
        self.holder = holder


def run_node(judge: Judge, name: str, options: Options, *, wait: bool = True) -> tuple[Record, bool]:
    """Bring one node up to date. Returns its record and whether anything was computed.

    Raises StaleInputError if what it reads is not fresh, ToleranceError if it lost too many items, DiskError if the disk fails, or
    whatever error of ours the stage raises; nothing is published then. With ``wait=False``, raises :class:`Busy` if another process
    is computing the same result.
    """
    node = judge.graph.nodes[name]
    judge.inputs(node)
    state = judge.state(name)
    if state.status == FRESH and state.record is not None:
        judge.store.check_object(state.record.object, contents=options.verify)
        _point(judge, name, state.record)
        return state.record, False
    key = judge.key(node)
    inputs = judge.inputs(node)

    def waiting(holder: Holder | None) -> None:
        options.say(f"{name}: {holder or 'another process'} is computing the same result; waiting for it")

    with judge.store.running(key.digest, what=name, uses=uses_of(judge, node, key, inputs), wait=wait, waiting=waiting) as scratch:
        if scratch is None:
            raise Busy(name, judge.store.holder(key.digest))
        record = judge.store.record(key.digest) or _taken(judge, name, key, options)  # the process waited for may have made it
        computed = record is None
        if record is None:
            _begin(options, name, state.reason)
            record = _compute(judge, node, key, scratch, options)
        else:
            _point(judge, name, record)
        judge.store.clean_scratch(key.digest)
    judge.store.clear_failure(judge.dataset, judge.system, name)
    judge.forget(name)
    return record, computed


def _begin(options: Options, name: str, reason: str) -> None:
    if options.begin is not None:
        options.begin(name, reason)
    else:
        options.say(f"{name}: running ({reason})")


def _taken(judge: Judge, name: str, key: Key, options: Options) -> Record | None:
    """The result from the upstream store, if there is one that has it."""
    record = options.upstream.fetch(judge.store, key.digest) if options.upstream is not None else None
    if record is not None and options.upstream is not None:
        options.say(f"{name}: taken from upstream {options.upstream.place}")
    return record


def _point(judge: Judge, name: str, record: Record) -> None:
    """Let the node's ref name a result that is there already."""
    if judge.store.ref(judge.dataset, judge.system, name) == record.digest:
        return
    store, before = judge.store, judge.store.ref(judge.dataset, judge.system, name)
    with store.publishing():
        if store.record(record.digest) is not None:
            store.set_ref(judge.dataset, judge.system, name, record.digest)
        if store.record(record.digest) is not None:
            return
        if store.ref(judge.dataset, judge.system, name) != before:
            fs.remove_file(store.ref_path(judge.dataset, judge.system, name))
        raise StoreError(f"the result of {name} was removed while it was being looked at", hint="run it again")


def uses_of(judge: Judge, node: Node, key: Key, inputs: Mapping[str, Record]) -> dict[str, list[str]]:
    """What gc must leave alone while the node runs."""
    sets = [f"{r.key.stage}/{r.items}" for r in inputs.values() if r.items]
    if node.stage.items:
        sets.append(f"{key.stage}/{judge.item_key(node, key)}")
    return {
        "actions": [record.digest for record in inputs.values()],
        "objects": [record.object for record in inputs.values()],
        "items": sets,
    }


def _compute(judge: Judge, node: Node, key: Key, scratch: Path, options: Options) -> Record:
    """Run the stage and publish what it wrote. Whatever fails, nothing half-made stays visible."""
    for record in judge.inputs(node).values():
        judge.store.check_object(record.object, contents=options.verify)
    watch = Watch(judge, node, key)
    with watch.stage() as function:
        return _publish(judge, node, key, scratch, options, function, watch)


def _publish(
    judge: Judge, node: Node, key: Key, scratch: Path, options: Options, function: Callable[[Context], None], watch: Watch
) -> Record:
    """Let the stage work in a temporary directory, check what it did, and publish what it wrote."""
    store, inputs = judge.store, judge.inputs(node)
    temporary = store.new_directory()
    started = time.time()
    context = context_of(judge, node, key, temporary / "files", scratch, options)
    try:
        function(context)
        if context.items is not None:
            context.items.flush()
            context.items.lost.forget()  # they are counted now
        _check(judge, node, key, context.ledger)
        watch.check()
        if context.ledger.entries:
            (context.out / "ledger.jsonl").write_text(context.ledger.dump(), encoding="utf-8")
        if node.stage.sources and not context.members:
            for relative, digest in context.sources.items():
                context.members.add(relative, "", digest)
        with store.publishing():
            record = publish(store, temporary, lambda made: _record(judge, node, key, inputs, context, made, started), context.members)
            store.set_ref(judge.dataset, judge.system, node.name, record.digest)
    except BaseException as error:
        fs.remove_tree(temporary)
        told = disk_error(error) if isinstance(error, OSError) else None
        told_of(judge, node, error)
        if isinstance(error, Exception):
            words = str(told or error) if told or isinstance(error, KdpipeError) else f"{type(error).__name__}: {error}"
            with contextlib.suppress(OSError):
                failure = {"error": words, "key": key.digest}
                store.write_failure(judge.dataset, judge.system, node.name, failure, context.ledger.dump())
        if told is not None:
            raise told from error
        raise
    for what, note in context.notes.items():
        options.say(f"{node.name}: {what}: {note}")
    if key.entry != imports.ENTRY:  # how long copying took says nothing of how long computing will take
        store.timings.add(Timing(node.name, judge.dataset, judge.system, record.seconds, len(context.members), _appended(context)))
    return record


def _appended(context: Context) -> int:
    return context.items.appended if context.items is not None else 0


def context_of(
    judge: Judge, node: Node, key: Key, out: Path, scratch: Path, options: Options, kind: Callable[..., ItemSet] = ItemSet
) -> Context:
    """What the stage of a node is given; ``kind`` is how it sees its item set."""
    store = judge.store
    inputs = judge.inputs(node)
    upstream = options.upstream.items if options.upstream is not None else lambda stage, name: []
    own = judge.item_key(node, key)
    items = store.item_set(key.stage, own, writable=True, also=upstream(key.stage, own), kind=kind) if own else None
    if items is not None:
        items.made = {"device": judge.device, **versions()}
    return Context(
        params=node.params,
        out=out,
        scratch=scratch,
        ledger=Ledger(),
        progress=_progress(judge, node, key, options),
        inputs={alias: store.files(record) for alias, record in inputs.items()},
        input_items={
            alias: store.item_set(record.key.stage, record.items, also=upstream(record.key.stage, record.items))
            for alias, record in inputs.items()
            if record.items
        },
        root=judge.data_root(node),
        sources=judge.sources(node),
        files=judge.files(node),
        items=items,
        workers=options.workers,
        threads=options.threads,
        device=judge.device,
        node=node.name,
    )


def _record(
    judge: Judge, node: Node, key: Key, inputs: Mapping[str, Record], context: Context, manifest: Manifest, started: float
) -> Record:
    return Record(
        key=key,
        object=manifest.digest,
        items=judge.item_key(node, key),
        node=node.name,
        dataset=judge.dataset,
        system=judge.system,
        parents={alias: parent.digest for alias, parent in inputs.items()},
        definitions=judge.definitions(node),
        ledger=context.ledger.counts(),
        size=manifest.size,
        seconds=round(time.time() - started, 3),
        created=round(started, 3),
        versions={**versions(), **context.notes, "peak_rss_mb": str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)},
        stale_inputs=tuple(name for name in node.reads.values() if judge.state(name).status != FRESH),
    )


def told_of(judge: Judge, node: Node, error: BaseException) -> None:
    """Complete the hint of a stage's error: a stage does not know under which name its parameters are set."""
    if isinstance(error, KdpipeError):
        error.hint = error.hint.replace("{section}", judge.graph.config.section(node.name))


def check_unchanged(judge: Judge, node: Node, key: Key) -> None:
    """Raise DataError if a file that the key speaks of is another by now."""
    changed = judge.sources_changed(node) or _files_changed(judge, node, key)
    if changed:
        raise DataError(f"{changed} was changed while {node.name} was reading it; nothing was published", hint="run it again")


def _check(judge: Judge, node: Node, key: Key, ledger: Ledger) -> None:
    check_unchanged(judge, node, key)
    if not node.stage.tolerance:
        return
    tolerated = float(getattr(node.params, node.stage.tolerance))
    lost = ledger.lost()
    if ledger.lost_fraction() > tolerated:
        shown = "".join(f"\n    {entry.id}: {entry.state}{' (' + entry.reason + ')' if entry.reason else ''}" for entry in lost[:5])
        states = ", ".join(f"{number} {state}" for state, number in sorted(Counter(entry.state for entry in lost).items()))
        enough = tolerance_text(f"{judge.graph.config.section(node.name)}.{node.stage.tolerance}", len(lost), len(ledger.entries))
        allowed = f"--set {enough}"
        if enough and key.entry == imports.ENTRY:  # how it is read stands in the import
            allowed = (
                f"kdpipe import-features {shlex.quote(str(getattr(node.params, 'file', 'FILE')))} --tolerance {enough.partition('=')[2]}"
            )
        raise ToleranceError(
            f"{node.name} lost {len(lost)} of {len(ledger.entries)} items ({states}), more than its tolerance of {tolerated:.1%}:{shown}",
            hint=f"all of them: kdpipe show {node.name} --ledger --dataset {judge.dataset} --system {judge.system}"
            + (f"   (to go on without them: {allowed})" if enough else ""),
        )


def _files_changed(judge: Judge, node: Node, key: Key) -> str:
    """Name of an external or packaged file that is not the one which the key speaks of any more, or ``""``."""
    now = {name: judge.store.memo.digest(path) for name, path in judge.files(node).items()} | judge.packaged(node)
    return ", ".join(name for name, digest in key.files.items() if now.get(name) != digest)


def _progress(judge: Judge, node: Node, key: Key, options: Options) -> Callable[..., Progress]:
    return Bars(node.name, options.progress, options.sinks, Run(node.name, judge.system, judge.dataset, key.digest, key.params))
