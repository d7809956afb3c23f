"""``kdpipe show``: the record of a result, its files and its ledger."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from cache.errors import KdpipeError
from cache.ledger import Ledger
from pipeline.cli.session import Session, session_options


@click.command()
@click.argument("node")
@click.option("--ledger", "with_ledger", is_flag=True, help="List every item that is not ok (also of a run that failed).")
@session_options
def show(session: Session, node: str, with_ledger: bool) -> None:
    """Show the result of NODE under the settings given, or its last one if that is not there."""
    name = session.graph.select(node)[0]
    judge = session.judge()
    record = judge.state(name).record or judge.last(name)
    if with_ledger:
        _show_ledger(session, name, judge.store.files(record) / "ledger.jsonl" if record else None)
        return
    if record is None:
        raise KdpipeError(f"{name} was never made", hint=f"kdpipe run {name} {session.arguments()}")
    if session.json:
        click.echo(json.dumps({**asdict(record), "files": str(judge.store.files(record))}, indent=1, sort_keys=True))
        return
    click.echo(f"{name}  {record.digest[:12]}  object {record.object[:12]}")
    click.echo(f"  files   {judge.store.files(record)}")
    for entry in judge.store.manifest(record.object).files[:12]:
        click.echo(f"          {entry.path}  {entry.size} bytes")
    click.echo(f"  params  {json.dumps(record.key.params)}")
    click.echo(f"  reads   {', '.join(f'{alias} {digest[:12]}' for alias, digest in record.key.inputs.items()) or '-'}")
    click.echo(f"  ledger  {', '.join(f'{count} {state}' for state, count in record.ledger.items()) or '-'}")
    if record.stale_inputs:
        click.echo(f"  stale   made from old results of {', '.join(record.stale_inputs)} (--allow-stale)")


def _show_ledger(session: Session, name: str, published: Path | None) -> None:
    """A failed run's ledger is newer than the last published one, so it goes first."""
    config = session.graph.config
    failure = session.store.failure(config.dataset, config.system, name)
    text = failure["ledger"] if failure is not None and failure["ledger"] else ""
    if not text and published is not None and published.exists():
        text = published.read_text(encoding="utf-8")
    if not text:
        raise KdpipeError(f"{name} has no ledger yet", hint=f"kdpipe run {name} {session.arguments()}")
    ledger = Ledger.parse(text)
    if session.json:
        click.echo(ledger.dump(), nl=False)
        return
    click.echo(f"{name}: " + ", ".join(f"{count} {state}" for state, count in ledger.counts().items()))
    for entry in ledger.sorted():
        if entry.outcome != "ok":
            click.echo(f"  {entry.id}  {entry.state}  {entry.reason}")
