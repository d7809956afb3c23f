"""``kdpipe push`` and ``kdpipe pull``: results to and from a directory or URL that a team shares (docs/SHARING.md)."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from cache import addresses
from cache.directory import Directory
from cache.errors import DamageError, StoreError
from cache.remote import Remote
from cache.stage import Node
from cache.store import Record, Store, listed
from cache.transfer import Moved, Transfer, open_remote
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, select, session_options
from pipeline.cli.transfer_imports import pull_brought, push_brought
from pipeline.judge import FRESH, Judge
from pipeline.progress import Bar
from pipeline.text import size_text


@click.command()
@click.argument("remote")
@click.argument("targets", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every result in the store, of all datasets and systems, and all refs and pins.")
@click.option("--no-items", is_flag=True, help="Leave out the rows that results were assembled from.")
@session_options(*WHAT, "verify", "log_json", "dry_run", *LOOK)
def push(session: Session, remote: str, targets: tuple[str, ...], everything: bool, no_items: bool) -> None:
    """Copy the current results of TARGETS (default: everything), and what they were made from, to REMOTE, a directory or URL.

    What is there already is not sent again. --verify reads it and mends what is damaged there.
    """
    if everything and targets:
        raise click.UsageError("--all goes without targets")
    source = Directory(session.store.root, own=True)
    target = open_remote(remote, create=True)
    keys, refs = _everything(session.store) if everything else _current(session, targets)
    if not keys:
        raise StoreError("there is no result to push", hint="kdpipe status")
    with _transfer(session, source, target, items=not no_items) as transfer, _undisturbed(session, source, target):
        for key in transfer.lineage(keys):
            transfer.result(key)
        for path, key in refs.items():
            transfer.ref(path, key)
        push_brought(session, transfer, _nodes(session, targets), everything=everything)
        for pin in listed(session.store.root / "pins") if everything else ():
            if pin.suffix == ".json":
                transfer.pin(pin.name)
    _tell_push(session, target, transfer.moved)


def _current(session: Session, targets: tuple[str, ...]) -> tuple[list[str], dict[str, str]]:
    """Keys of the targets' results, the fresh one or else the last; and, for them and what they read, the refs to set."""
    judge = session.look()
    names = select(session, targets)
    closure = [node.name for node in session.graph.closure(names)]
    records = {state.node.name: state.record or judge.last(state.node.name) for state in judge.states(closure)}
    never = [name for name in names if records[name] is None]
    if targets and never:
        raise session.never_made(never[0])
    refs = {addresses.ref(judge.dataset, judge.system, name): record.digest for name, record in records.items() if record is not None}
    return [record.digest for name in closure if (record := records[name]) is not None], refs


def _everything(store: Store) -> tuple[list[str], dict[str, str]]:
    keys = list(store.keys())
    refs = {path.relative_to(store.root).as_posix(): key for path, key in store.refs()}
    return keys, {path: key for path, key in refs.items() if key in set(keys)}


def _nodes(session: Session, targets: tuple[str, ...]) -> list[Node]:
    """The targets and what they read."""
    return session.graph.closure(select(session, targets))


@contextlib.contextmanager
def _undisturbed(session: Session, source: Directory, target: Remote) -> Iterator[None]:
    """While we push, no gc removes what we read or have just written."""
    with contextlib.ExitStack() as stack:
        if os.access(source.root, os.W_OK):
            stack.enter_context(source.publishing())
        if not session.dry_run:
            target.prepare()
            stack.enter_context(target.publishing())
        yield


@contextlib.contextmanager
def _transfer(session: Session, source: Remote, target: Remote, *, items: bool) -> Iterator[Transfer]:
    """A transfer as the options say, with a bar that counts MB."""
    with Bar("sent" if isinstance(source, Directory) and source.own else "received", None, "MB", session.options.progress) as bar:
        rest = 0

        def travelled(size: int) -> None:
            nonlocal rest
            whole, rest = divmod(rest + size, 1_000_000)
            bar.step(whole)

        yield Transfer(source, target, items=items, verify=session.options.verify, dry_run=session.dry_run, travelled=travelled)


def _tell_push(session: Session, target: Remote, moved: Moved) -> None:
    if session.json:
        click.echo(json.dumps(asdict(moved), indent=1, sort_keys=True))
    else:
        counts = {
            "results": moved.records,
            "objects": moved.objects,
            "shards of rows": moved.shards,
            "refs": moved.refs,
            "pins": moved.pins,
            "imported files": moved.files,
        }
        sent = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        there = f"; {moved.there} results were there already" if moved.there else ""
        verb = "would push" if session.dry_run else "pushed"
        click.echo(f"{verb} to {target.name}: {f'{sent} ({size_text(moved.size)})' if sent else 'nothing'}{there}")
    if moved.gone:
        session.options.say(f"{len(moved.gone)} older results that these were made from are not in the store any more")
    _raise_if_damaged(session, moved.damaged)


@dataclass(frozen=True)
class Row:
    """What became of one node: ``state`` is here, pulled, repaired, absent, waits or damaged; ``size`` in bytes."""

    node: str
    state: str
    size: int = 0
    reason: str = ""

    def __str__(self) -> str:
        pulled = f"pulled {size_text(self.size)}"
        told = {"pulled": pulled, "repaired": f"gone or damaged here: {pulled}", "here": "here already"}
        return told.get(self.state, self.reason)


@click.command()
@click.argument("remote")
@click.argument("targets", nargs=-1)
@click.option("--no-items", is_flag=True, help="Leave out the rows that results were assembled from.")
@click.option("--ref", "by_ref", is_flag=True, help="Fetch the results that others made last, under whatever settings, to look at them.")
@session_options(*WHAT, "verify", "log_json", "dry_run", *LOOK)
def pull(session: Session, remote: str, targets: tuple[str, ...], no_items: bool, by_ref: bool) -> None:
    """Fetch the results that TARGETS (default: everything) need now from REMOTE, a directory or URL, as far as it has them.

    Objects that are gone or damaged here are fetched again. With --ref, fetch what the refs there name: `kdpipe status` then says
    how it differs from what is wanted now.
    """
    source = open_remote(remote)
    rows: list[Row] = []
    with _transfer(session, source, Directory(session.store.root, own=True), items=not no_items) as transfer:
        if not by_ref:
            session = pull_brought(session, transfer, _nodes(session, targets))
        judge = session.judge(read_files=not by_ref)
        for node in _nodes(session, targets):
            try:
                row = _by_ref(judge, transfer, node.name) if by_ref else _wanted(judge, transfer, node.name)
            except DamageError as error:
                transfer.moved.damaged.append(str(error))
                row = Row(node.name, "damaged", reason="damaged there")
            rows.append(row)
            if not session.json:
                click.echo(f"{row.node}: {str(row).replace('pulled', 'would pull') if session.dry_run else row}")
    judge.fingerprint.save()
    if session.json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=1))
    _raise_if_damaged(session, transfer.moved.damaged)


def _wanted(judge: Judge, transfer: Transfer, name: str) -> Row:
    """Fetch the result of the key that is wanted now."""
    state = judge.state(name)
    if state.status == FRESH and state.record is not None:
        return _here(judge, transfer, name, state.record)
    if state.key is None:
        return Row(name, "waits", reason=state.reason)
    key = state.key.digest
    own = judge.store.read_record(key)
    if own is not None and (row := _repaired(judge, transfer, name, own)) is not None:
        return row
    return _fetched(judge, transfer, name, key, absent="not there: kdpipe run would compute it")


def _here(judge: Judge, transfer: Transfer, name: str, record: Record) -> Row:
    """A result that is here: see that it is whole, and fetch its rows if none are here."""
    before = transfer.moved.size
    try:
        judge.store.check_object(record.object, contents=transfer.verify)
    except StoreError as error:
        return _repaired(judge, transfer, name, record) or Row(name, "damaged", reason=f"damaged here, and not there: {error.message}")
    if transfer.items and record.items and not any(judge.store.items_path(record.key.stage, record.items).glob("*.items")):
        transfer.item_sets(record)
    _point(judge, transfer, name, record)
    return Row(name, "pulled" if transfer.moved.size > before else "here", transfer.moved.size - before)


def _repaired(judge: Judge, transfer: Transfer, name: str, record: Record) -> Row | None:
    before = transfer.moved.size
    with _publishing(judge, transfer):
        if not transfer.repair(record):
            return None
        _point(judge, transfer, name, record)
    return Row(name, "repaired", transfer.moved.size - before)


def _by_ref(judge: Judge, transfer: Transfer, name: str) -> Row:
    """Fetch what the remote's ref names."""
    path = addresses.ref(judge.dataset, judge.system, name)
    line = transfer.source.read(path, 4096)
    if line is None:
        return Row(name, "absent", reason="not there: no ref names it")
    try:
        key = addresses.digest(line.decode("ascii", "replace").strip())
    except ValueError as error:
        raise transfer.source.damage(f"{path}: {error}") from error
    return _fetched(judge, transfer, name, key, absent=f"not there: its ref names {key[:12]}, which is missing")


def _fetched(judge: Judge, transfer: Transfer, name: str, key: str, *, absent: str) -> Row:
    before = transfer.moved.size, transfer.moved.records
    with _publishing(judge, transfer):
        record = transfer.result(key)
        if record is None:
            return Row(name, "absent", reason=absent)
        _point(judge, transfer, name, record)
    size, records = transfer.moved.size - before[0], transfer.moved.records - before[1]
    return Row(name, "pulled" if size or records else "here", size)


def _point(judge: Judge, transfer: Transfer, name: str, record: Record) -> None:
    """Let the node's ref name what is here now."""
    if not transfer.dry_run:
        judge.store.set_ref(judge.dataset, judge.system, name, record.digest)
        judge.store.clear_failure(judge.dataset, judge.system, name)
        judge.forget(name)


def _publishing(judge: Judge, transfer: Transfer) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if transfer.dry_run else judge.store.publishing()


def _raise_if_damaged(session: Session, damaged: list[str]) -> None:
    """What was left out is said at the end, and makes the command fail."""
    for line in damaged[:-1]:
        session.options.say(f"error: {line}")
    if damaged:
        raise StoreError(damaged[-1])
