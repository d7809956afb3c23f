"""Runs one node: hands the stage its context, checks what it did, and publishes the result."""

from __future__ import annotations

import importlib
import importlib.metadata
import math
import resource
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cache.errors import DataError, KdpipeError, StoreError, ToleranceError
from cache.ledger import Ledger
from cache.stage import Context, Node, Progress
from cache.store import Key, Record
from pipeline.judge import FRESH, Judge, closure
from pipeline.progress import Bars

#: Versions that are recorded with every result (not keyed: they name the environment for people).
RECORDED = ("torch", "torchvision", "numpy", "av", "h5py", "pillow", "nltk")


@dataclass(frozen=True)
class Options:
    """How to run, as opposed to what: none of these may change a result."""

    workers: int = 1
    threads: int = 1
    progress: str = "quiet"
    say: Callable[[str], None] = lambda line: None


def run_node(judge: Judge, name: str, options: Options) -> tuple[Record, bool]:
    """Bring one node up to date. Returns its record and whether anything was computed.

    Raises StaleInputError if what it reads is not fresh, ToleranceError if it lost too many items, or whatever error of
    ours the stage raises; nothing is published then.
    """
    node = judge.graph.nodes[name]
    judge.inputs(node)
    state = judge.state(name)
    if state.status == FRESH and state.record is not None:
        judge.store.check_object(state.record.object)
        judge.store.set_ref(judge.dataset, judge.system, name, state.record.digest)
        return state.record, False
    key = judge.key(node)

    def waiting() -> None:
        options.say(f"{name}: another process is computing the same result; waiting for it")

    with judge.store.running(key.digest, waiting) as scratch:
        record = judge.store.record(key.digest)  # the process waited for may have made it
        computed = record is None
        if record is None:
            record = _compute(judge, node, key, scratch, options)
        judge.store.clean_scratch(key.digest)
    judge.store.set_ref(judge.dataset, judge.system, name, record.digest)
    judge.store.clear_failure(judge.dataset, judge.system, name)
    judge.forget(name)
    return record, computed


def _compute(judge: Judge, node: Node, key: Key, scratch: Any, options: Options) -> Record:
    store = judge.store
    function = _load(judge, node, key)
    inputs = judge.inputs(node)
    temporary = store.new_directory()
    ledger = Ledger()
    items = store.item_set(node.stage.name, key.items, writable=True) if node.stage.items else None
    context = Context(
        params=node.params,
        out=temporary / "files",
        scratch=scratch,
        ledger=ledger,
        progress=_progress(node, options),
        inputs={alias: store.files(record) for alias, record in inputs.items()},
        input_items={alias: store.item_set(record.key.stage, record.items) for alias, record in inputs.items() if record.items},
        root=judge.data_root(node),
        sources=judge.sources(node),
        files=judge.files(node),
        items=items,
        workers=options.workers,
        threads=options.threads,
        device=judge.device,
    )
    started = time.time()
    try:
        function(context)
        if items is not None:
            items.flush()
        _check(judge, node, ledger)
        if ledger.entries:
            (context.out / "ledger.jsonl").write_text(ledger.dump(), encoding="utf-8")
        manifest = store.publish_object(temporary)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, KdpipeError):
            store.write_failure(judge.dataset, judge.system, node.name, {"error": str(error), "key": key.digest}, ledger.dump())
        raise
    record = Record(
        key=key,
        object=manifest.digest,
        items=key.items if items is not None else "",
        node=node.name,
        parents={alias: parent.digest for alias, parent in inputs.items()},
        definitions=judge.definitions(node),
        ledger=ledger.counts(),
        size=manifest.size,
        seconds=round(time.time() - started, 3),
        created=round(started, 3),
        versions={**_versions(), "peak_rss_mb": str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)},
        stale_inputs=tuple(name for name in node.reads.values() if judge.state(name).status != FRESH),
    )
    store.publish_record(record)
    return record


def _load(judge: Judge, node: Node, key: Key) -> Callable[[Context], None]:
    """Import the stage and everything its key speaks of, so that an edit made from now on cannot reach this run."""
    module, _, function = node.stage.entry.partition(":")
    for name in judge.code(node):
        importlib.import_module(name)
    entry = importlib.import_module(module)
    again = type(judge.fingerprint)(judge.fingerprint.root)
    if {name: m.digest for name, m in closure(again, node).items()} != key.code:
        raise StoreError(f"the code of {node.name} was edited while it was being loaded", hint="run it again")
    loaded: Callable[[Context], None] = getattr(entry, function)
    return loaded


def _check(judge: Judge, node: Node, ledger: Ledger) -> None:
    changed = judge.sources_changed(node)
    if changed:
        raise DataError(f"{changed} was changed while {node.name} was reading it; nothing was published", hint="run it again")
    if not node.stage.tolerance:
        return
    tolerated = float(getattr(node.params, node.stage.tolerance))
    lost = ledger.lost()
    if ledger.lost_fraction() > tolerated:
        shown = "".join(f"\n    {entry.id}: {entry.state}{' (' + entry.reason + ')' if entry.reason else ''}" for entry in lost[:5])
        raise ToleranceError(
            f"{node.name} lost {len(lost)} of {len(ledger.entries)} items, more than its tolerance of {tolerated:.1%}:{shown}",
            hint=f"all of them: kdpipe show {node.name} --ledger --dataset {judge.dataset} --system {judge.system}"
            f"   (to go on without them: --set {node.stage.name}.{node.stage.tolerance}={math.ceil(ledger.lost_fraction() * 100) / 100})",
        )


def _progress(node: Node, options: Options) -> Callable[..., Progress]:
    return Bars(node.name, options.progress)


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in RECORDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
