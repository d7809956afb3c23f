"""Everything behind a finished report, for its page: results, their settings and code, what was accepted (``stages.report.html``)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cache.errors import StoreError
from cache.json_files import read_lines
from cache.record import Record
from cache.stage import Node
from cache.store import Store
from pipeline.judge import Judge, plain_params

if TYPE_CHECKING:
    from stages.report.html.finished import Finished, Made, Sampled, View

#: Of sampled frames and of sampled sound: the list, and what it calls the digest of a row.
FRAMES, SOUND = ("frames.jsonl", "frames"), ("sounds.jsonl", "sound")


def finished(judge: Judge, report: str) -> Finished:
    """The report of a judge's graph with all results that it was made from, as far as the store has them."""
    from stages.report.html.finished import Finished

    made, records = {}, {}
    for node in judge.graph.closure([report]):
        record = judge.state(node.name).record or judge.usable(node.name)
        if record is not None:
            made[node.name] = _made(judge, node, record)
            records[node.name] = record
    return Finished(judge.graph.config.system, made, tuple(_views(judge, records)), _sampled(judge, records, SOUND))


def _views(judge: Judge, records: Mapping[str, Record]) -> Iterator[View]:
    """The frames behind a report, then what was derived of frames, in the order of the graph; rows are read when they are shown."""
    from stages.report.html.previews import frames_of

    sampled = _sampled(judge, records, FRAMES)
    if sampled is not None:
        yield frames_of(sampled)
    for record in records.values():
        if record.key.stage == "derive":
            with suppress(StoreError):  # a result that was collected meanwhile is not shown
                yield _derived(judge.store, record)


def _sampled(judge: Judge, records: Mapping[str, Record], kind: tuple[str, str]) -> Sampled | None:
    """What the first stage sampled of a kind: the list of it, and what this calls the digest of a row."""
    from stages.report.html.finished import Sampled

    name, digest = kind
    for record in records.values():
        listing = judge.store.files(record) / name
        if record.key.stage == "sample" and listing.is_file():
            rows = {str(row["id"]): (row["media"], row[digest]) for row in read_lines(listing)}
            return Sampled(rows, judge.store.item_set(record.key.stage, record.items))
    return None


def _derived(store: Store, record: Record) -> View:
    """Flow, depth or skeletons as pictures."""
    from pipeline.derived import derivation
    from stages.report.html.finished import Opened, View

    found = derivation(store, record)
    rows = {str(row["id"]): row for row in found.rows}

    def opened(video: str) -> Opened:
        return Opened(found.opened(rows[video]).numbers, found.pictures(rows[video]))

    return View(found.kind, {id: row["frames"] for id, row in rows.items()}, opened)


def _made(judge: Judge, node: Node, record: Record) -> Made:
    from stages.report.html.finished import Made

    settings = record.key.params
    usual = plain_params(Node(node.stage.name, node.stage, node.stage.params()))  # as they stand where nobody sets any
    return Made(
        node=node.name,
        stage=node.stage.name,
        key=record.digest,
        object=record.object,
        files=judge.store.files(record),
        when=datetime.datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M"),
        seconds=record.seconds,
        settings=settings,
        changed={name: value for name, value in settings.items() if name not in usual or usual[name] != value},
        reads={alias: name for alias, name in node.reads.items() if alias in record.key.inputs},
        code=record.key.code,
        digests=_digests(record),
        versions=record.versions,
        accepted=record.accepted.get("because", ""),
        stale=record.stale_inputs,
    )


def _digests(record: Record) -> dict[str, Any]:
    """What was read beside other results: files by name, and the raw data."""
    return {**record.key.files, **({"raw files": record.key.sources} if record.key.sources else {})}
