"""``kdpipe show``: the record of a result, where it came from and where it went, its files and its ledger."""

from __future__ import annotations

import datetime
import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from cache.digest import FileEntry
from cache.errors import KdpipeError, StoreError
from cache.ledger import Ledger
from cache.record import Record
from cache.store import Store
from pipeline import paths
from pipeline.catalog import Artifact, Catalog
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, say_assumed, session_options
from pipeline.imports import origin
from pipeline.resolve import Result, resolve
from pipeline.text import line_text, size_text, time_text
from pipeline.why import module_file

#: How many files, children and items are listed.
SHOWN = 12
#: What is recorded beside the versions: the largest memory of the process.
MEMORY = "peak_rss_mb"


@click.command()
@click.argument("result")
@click.option("--ledger", "with_ledger", is_flag=True, help="List every item that is not ok (also of a run that failed).")
@click.option("--rows", "with_rows", is_flag=True, help="Count the rows behind it by the device and the libraries that made them.")
@click.option("--code", "with_code", is_flag=True, help="List the modules that its key covers, with their digests.")
@click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), help="Draw what derive.* nodes hold, side by side, to this PNG.")
@click.option("--videos", type=click.IntRange(1), default=8, show_default=True, help="Rows of the sheet.")
@click.option("--predictions", is_flag=True, help="Print what every network of an evaluation said of every item, as csv.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="With --predictions: into this .csv or .parquet file instead.")
@session_options(*WHAT, *LOOK)
def show(
    session: Session,
    result: str,
    with_ledger: bool,
    with_rows: bool,
    with_code: bool,
    sheet: Path | None,
    videos: int,
    predictions: bool,
    out: Path | None,
) -> None:
    """Show RESULT: a node (under the settings given, or its last result), the name of a pin, or the beginning of a key."""
    if out is not None and not predictions:
        raise click.UsageError("--out goes with --predictions")
    judge = session.look()
    found = resolve(judge, result)
    say_assumed(judge)
    if with_ledger:
        for one in found:
            _show_ledger(session, one)
        return
    if with_rows:
        for one in found:
            _show_rows(session, one)
        return
    if predictions:
        _show_predictions(session, found, out)
        return
    if sheet is not None:
        _draw_sheet(session, found, sheet, videos)
        return
    records = [(one, _record(session, one)) for one in found]
    if session.json:
        plain = [_plain(session.store, record) for _, record in records]
        click.echo(json.dumps(plain[0] if len(plain) == 1 else plain, indent=1, sort_keys=True))
        return
    catalog = Catalog.read(session.store)
    for one, record in records:
        click.echo(f"{one.name}  {record.digest[:12]}  object {record.object[:12]}")
        for name, text in _facts(session.store, record, catalog, with_code):
            click.echo(f"  {name:10}{text}".rstrip())


def _draw_sheet(session: Session, found: list[Result], path: Path, videos: int) -> None:
    from pipeline.contact_sheet import contact_sheet
    from pipeline.derived import derivation

    made = {one.name: derivation(session.store, one.record) for one in found if one.record is not None}
    number = contact_sheet(paths.expanded(path), made, [one.name for one in found if one.record is None], videos)
    click.echo(json.dumps({"file": str(path), "videos": number}) if session.json else f"{path}  {number} videos")


def _show_predictions(session: Session, found: list[Result], out: Path | None) -> None:
    from models.evaluation.predictions import keeps, write_csv, write_parquet

    places = {one.name: session.store.files(_record(session, one)) for one in found}
    asked = {name: place for name, place in places.items() if keeps(place)}
    if not asked:
        names = ", ".join(places)
        raise KdpipeError(f"there are no predictions by item in {names}", hint="some systems keep them: kdpipe show evaluate")
    if out is None:
        write_csv(sys.stdout.buffer, asked)
        return
    path = paths.expanded(out)
    if path.suffix not in (".csv", ".parquet"):
        raise KdpipeError(f"{path.name} is neither .csv nor .parquet")
    with path.open("wb") as file:
        count = write_csv(file, asked) if path.suffix == ".csv" else write_parquet(file, asked)
    click.echo(json.dumps({"file": str(path), "rows": count}) if session.json else f"{path}  {count:,} rows")


def _record(session: Session, result: Result) -> Record:
    if result.record is None:
        raise session.never_made(result.name)
    return result.record


def _plain(store: Store, record: Record) -> dict[str, Any]:
    return {**asdict(record), "digest": record.digest, "files": str(store.files(record))}


def _facts(store: Store, record: Record, catalog: Catalog, with_code: bool) -> list[tuple[str, str]]:
    """Lines of (what, text); a line without a name goes on with the one before."""
    made = datetime.datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M:%S")
    where = f" for {record.dataset} x {record.system}" if record.dataset else ""
    artifact = catalog.artifacts.get(record.digest)
    facts = [("made", f"{made} in {time_text(record.seconds)}{where}")]
    facts += [("state", ", ".join(artifact.states))] if artifact is not None else []
    facts += [("pins", ", ".join(map(line_text, artifact.pins)))] if artifact is not None and artifact.pins else []
    if imported := origin(store, record):
        facts.append(("imported", line_text(imported)))
    if record.accepted:
        accepted = record.accepted
        facts.append(("accepted", f"because {line_text(accepted.get('because', ''))} ({accepted.get('when', '')})"))
        facts.append(("", f"the result was made under the key {accepted.get('from', '')[:12]}"))
    if record.stale_inputs:
        facts.append(("stale", f"made from old results of {', '.join(record.stale_inputs)} (--allow-stale)"))
    facts += _named("params", [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in record.key.params.items()])
    facts += _named("reads", [_parent(catalog, record, alias) for alias in record.key.inputs])
    facts += _some("external", [f"{name}  sha256 {digest}" for name, digest in record.key.files.items()])
    facts += [("raw files", f"listing {record.key.sources[:12]}")] if record.key.sources else []
    facts += _some("keyed", [f"{name} = {value}" for name, value in record.key.facets.items()])
    code = record.key.code
    facts.append(("code", f"{len(code)} modules from {record.key.entry}" + ("" if with_code else " (--code lists them)")))
    facts += [("", f"{digest[:16]}  {module_file(module, code)}") for module, digest in sorted(code.items()) if with_code]
    facts.append(("versions", ", ".join(f"{name} {value}" for name, value in record.versions.items() if name != MEMORY) or "-"))
    facts += [("memory", f"{record.versions[MEMORY]} MB at most")] if MEMORY in record.versions else []
    facts.append(("ledger", ", ".join(f"{count} {state}" for state, count in record.ledger.items()) or "-"))
    members = len(store.members(record))
    facts += [("members", f"{members:,}")] if members else []
    facts += _files(store, record)
    children = [_child(catalog.artifacts[key]) for key in (artifact.children if artifact is not None else ())]
    return facts + _named("used by", children or ["nothing"], SHOWN)


def _files(store: Store, record: Record) -> list[tuple[str, str]]:
    facts = [("size", size_text(record.size)), ("files", str(store.files(record)))]
    try:
        entries = store.manifest(record.object).files
    except StoreError as error:
        return [*facts, ("", error.message)]
    width = max((len(size_text(entry.size)) for entry in entries), default=0)
    return facts + [("", text) for _, text in _named("", [_entry(entry, width) for entry in entries], SHOWN)]


def _entry(entry: FileEntry, width: int) -> str:
    return f"{size_text(entry.size):>{width}}  {line_text(entry.path)}"


def _parent(catalog: Catalog, record: Record, alias: str) -> str:
    key = record.parents.get(alias, "")
    parent = catalog.artifacts.get(key)
    node = parent.node if parent is not None else "no longer in the store"
    return f"{alias}: {node}  {key[:12]}  object {record.key.inputs[alias][:12]}"


def _child(child: Artifact) -> str:
    return f"{child.node}  {child.key[:12]}  {child.dataset}/{child.system}  {', '.join(child.states)}"


def _named(name: str, lines: list[str], most: int = 1000) -> list[tuple[str, str]]:
    shown = [*lines[:most], *([f"and {len(lines) - most} more"] if len(lines) > most else [])] or ["-"]
    return [(name if n == 0 else "", line) for n, line in enumerate(shown)]


def _some(name: str, lines: list[str]) -> list[tuple[str, str]]:
    return _named(name, lines) if lines else []


def _show_rows(session: Session, one: Result) -> None:
    """Who made the rows that a result was assembled from."""
    record, store = _record(session, one), session.store
    if not record.items:
        raise KdpipeError(f"{one.name} was not assembled from rows", hint=f"kdpipe show {one.name}")
    items = store.item_set(record.key.stage, record.items)
    keys = {row for row, _ in store.members(record).rows.values()}
    made = Counter(", ".join(f"{name} {version}" for name, version in items.maker(key).items()) for key in keys if items.has(key))
    if session.json:
        click.echo(json.dumps([{"rows": count, "made": by} for by, count in made.most_common()], indent=1))
        return
    click.echo(f"{one.name}  {sum(made.values())} of {len(keys)} rows are there")
    for by, count in made.most_common():
        click.echo(f"  {count} by {by or 'an older kdpipe'}")


def _show_ledger(session: Session, result: Result) -> None:
    """A failed run's ledger is newer than the last published one, so it goes first."""
    config = session.graph.config
    published = session.store.files(result.record) / "ledger.jsonl" if result.record is not None else None
    by_node = result.name in session.graph.nodes
    failure = session.store.failure(config.dataset, config.system, result.name) if by_node else None
    text = failure["ledger"] if failure is not None and failure["ledger"] else ""
    if not text and published is not None and published.exists():
        text = published.read_text(encoding="utf-8")
    if not text:
        what = "has no ledger yet"
        raise session.never_made(result.name, what) if by_node else KdpipeError(f"{result.name} {what}")
    ledger = Ledger.parse(text)
    if session.json:
        click.echo(ledger.dump(), nl=False)
        return
    click.echo(f"{result.name}: " + ", ".join(f"{count} {state}" for state, count in ledger.counts().items()))
    for entry in ledger.sorted():
        if entry.outcome != "ok":
            click.echo(f"  {line_text(entry.id)}  {entry.state}  {line_text(entry.reason)}")
