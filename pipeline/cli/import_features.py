"""``kdpipe import-features``: features that somebody else extracted, checked and then used by every later stage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from cache.errors import ConfigError, KdpipeError, ToleranceError, some
from cache.ledger import Ledger
from cache.record import Record
from pipeline import imports
from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.run import bring_up_to_date
from pipeline.cli.session import Session, session_options
from pipeline.cli.typed import command
from pipeline.imports import Import
from pipeline.judge import Judge
from pipeline.progress import Bars
from pipeline.text import line_text
from stages.imported.kinds import IMPORTABLE


@click.command("import-features")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--kind", type=click.Choice(list(IMPORTABLE)), default=None, help="What the files hold, if their names don't say it.")
@click.option("--array", default="", metavar="NAME", help="Name of the features in the HDF5 file.")
@click.option("--ids-array", default="ids", show_default=True, metavar="NAME", help="Name of the ids in the HDF5 file.")
@click.option(
    "--ids",
    type=click.Choice(["auto", "exact", "prefix", "escaped", "folder"]),
    default="auto",
    show_default=True,
    help="How ids are compared with the dataset's: as they are, with video12 meaning 12, as escaped file names, or a folder's name.",
)
@click.option(
    "--tolerance", type=click.FloatRange(0, 1), default=0.0, show_default=True, help="Fraction of videos that may have no usable row."
)
@click.option(
    "--zero-rows",
    type=click.Choice(["keep", "leave_out"]),
    default="keep",
    show_default=True,
    help="Use rows that are all zeros, or leave them out.",
)
@click.option("--undo", is_flag=True, help="Compute the features again (of --kind, or all). What was imported stays until gc.")
@session_options(*WHAT, *HOW, "dry_run", *LOOK)
def import_features(
    session: Session,
    files: tuple[Path, ...],
    kind: str | None,
    array: str,
    ids_array: str,
    ids: str,
    tolerance: float,
    zero_rows: str,
    undo: bool,
) -> None:
    """Import features for the dataset from FILES: published HDF5 files, or directories of <id>.npy.

    Lite-MKD's trees too: mm_features and rgb_features (<class>/<video>/feature.npy), rgb_l8, flow_l8 ... (pictures).
    Every row is checked. From then on the features of that kind are these, for every stage; --undo takes it back.
    --dry-run looks at names, shapes and ids only.
    """
    if undo:
        _undo(session, files, (kind,) if kind else tuple(IMPORTABLE))
        return
    if not files:
        raise click.UsageError("name the files to import (or --undo)")
    reading = {"ids_array": ids_array, "ids": ids, "zero_rows": zero_rows, "max_lost": tolerance}
    _import(session, files, kind or "", array, reading)


def _import(session: Session, files: tuple[Path, ...], kind: str, array: str, reading: dict[str, Any]) -> None:
    from pipeline.offers import fits, matched, offers
    from stages.imported.source import digest

    say: Callable[[str], object] = session.options.say if session.json else click.echo
    found = offers(files, kind, array, reading["ids_array"])
    dataset = session.graph.config.dataset
    standing = dict(imports.current(session.store, dataset))
    new = {
        offer.kind: {"kind": offer.kind, "file": str(offer.path), "array": offer.array, "sha256": "", "when": "", **reading}
        for offer in found
    }
    planned = _with(session, {**standing, **new})
    kinds = _kinds(planned)
    for offer in found:
        if offer.kind not in kinds:
            hint = f"with this it reads {', '.join(kinds) or 'none'}; --system names another"
            raise ConfigError(f"{session.graph.config.system} reads no {IMPORTABLE[offer.kind].what}", hint=hint)
    index = _index(planned)
    for offer in found:
        for line in [*offer.lines, *_ids_lines(matched(offer, index, reading["ids"]))]:
            say(line_text(line))
        others = {one: standing[one] for one in standing if one not in new}
        for warning in fits(offer, others, _clips(session), [one for one in kinds if one not in new]):
            session.options.say(f"warning: {warning}")
    if session.dry_run:
        say("nothing was imported: --dry-run; the rows were not looked at")
        return
    when = time.strftime("%Y-%m-%d %H:%M")
    for offer in found:
        bars = Bars(IMPORTABLE[offer.kind].node, session.options.progress)
        new[offer.kind].update(sha256=digest(offer.path, bars, offer.kind), when=when)
    planned = _with(session, {**standing, **new})
    records = {one: _run(planned, IMPORTABLE[one].node, files) for one in new}
    imports.put(session.store, dataset, new)
    if session.json:
        click.echo(json.dumps([_result(planned, record) for record in records.values()], indent=1, sort_keys=True))
        return
    for one, record in records.items():
        _tell(planned, one, record)
    click.echo(f"every stage of {dataset} uses them from now on; to compute them again: {command('import-features', '--undo')}")


def _with(session: Session, wanted: Mapping[str, Import]) -> Session:
    """The same session, over a graph with these imports."""
    if session.graph.config.general("imports") == "ignore":
        raise ConfigError("imports: ignore is set: what is imported would not be used", hint="leave it out")
    return session.over(wanted)


def _index(session: Session) -> Path:
    """Directory of the dataset's index, made if need be: it says which videos there are."""
    judge = session.judge(read_files=True)
    for node in session.graph.closure(["index"]):
        bring_up_to_date(session, judge, node.name)
    return session.store.files(_made(judge, "index"))


def _kinds(session: Session) -> list[str]:
    """The kinds of features, and of what was imported else, that the system reads."""
    nodes = session.graph.nodes
    return [one.name for one in IMPORTABLE.values() if one.node in nodes and getattr(nodes[one.node].params, "kind", "") == one.name]


def _clips(session: Session) -> int:
    node = session.graph.nodes.get("sample")
    return int(getattr(node.params, "num_clips", 0)) if node is not None else 0


def _ids_lines(found: Any) -> list[str]:
    rule = {"prefix": " (without 'video' or 'vid')", "escaped": " (file names unescaped)"}.get(found.rule, "")
    lines = [f"  ids: {len(found.rows)} of the dataset's {len(found.rows) + len(found.missing)} videos have a row{rule}"]
    lines += [f"  missing: {len(found.missing)} ({some(found.missing)})"] if found.missing else []
    if found.unexpected:
        lines.append(f"  left out: {len(found.unexpected)} rows of no video of the dataset ({some(found.unexpected)})")
    return lines


def _run(session: Session, name: str, files: tuple[Path, ...]) -> Record:
    judge = session.judge(read_files=True)
    try:
        bring_up_to_date(session, judge, name)
    except ToleranceError as error:
        again = command("import-features", *map(str, files), "--tolerance", "FRACTION")
        raise ToleranceError(error.message, hint=f"all of them: kdpipe show {name} --ledger\n  to go on without them: {again}") from error
    return _made(judge, name)


def _made(judge: Judge, name: str) -> Record:
    record = judge.state(name).record
    assert record is not None
    return record


def _result(session: Session, record: Record) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((session.store.files(record) / "features.json").read_text(encoding="utf-8"))
    return {**about, "key": record.digest, "ledger": record.ledger, "path": str(session.store.files(record) / about["file"])}


def _tell(session: Session, kind: str, record: Record) -> None:
    """What became of the rows; everything that is not ok by name."""
    about = _result(session, record)
    ledger = Ledger.load(session.store.files(record) / "ledger.jsonl")
    shape = [about[key] for key in ("videos", "clips", "frames", "width") if about[key] is not None]
    dtype = "float32" if IMPORTABLE[kind].array else "uint8"
    click.echo(f"imported {kind}: {dtype} {shape}, " + ", ".join(f"{count} {state}" for state, count in ledger.counts().items()))
    for entry in [entry for entry in ledger.sorted() if entry.outcome != "ok"][:5]:
        click.echo(f"  {line_text(entry.id)}  {entry.state}  {entry.reason}")
    click.echo(f"  provenance: {command('show', IMPORTABLE[kind].node)}")


def _undo(session: Session, files: tuple[Path, ...], kinds: tuple[str, ...]) -> None:
    if files:
        raise click.UsageError("--undo goes without files (and --kind says which features)")
    dataset = session.graph.config.dataset
    standing = imports.current(session.store, dataset)
    taken = [standing[kind] for kind in kinds if kind in standing]
    if not taken:
        raise KdpipeError(f"no {' or '.join(kinds)} features of {dataset} were imported")
    if not session.dry_run:
        imports.undo(session.store, dataset, kinds)
    for one in taken:
        click.echo(f"{one['kind']}: computed from now on, no longer imported from {line_text(str(one['file']))}")
