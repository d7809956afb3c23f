"""``kdpipe report``: make the report if it is not fresh, and print it."""

from __future__ import annotations

import json

import click

from pipeline.accept import accepted_under
from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.session import Session, say_assumed, select, session_options
from pipeline.runner import run_node


@click.command()
@session_options(*WHAT, *HOW, *LOOK)
def report(session: Session) -> None:
    """Print the report: the table, the paired difference, the cost of each network."""
    (name,) = select(session, ("report",))
    judge = session.look(read_files=True)
    record, _ = run_node(judge, name, session.options)
    say_assumed(judge)
    judge.fingerprint.save()
    files = judge.store.files(record)
    accepted = accepted_under(judge, "report")
    if session.json:
        answer = json.loads((files / "report.json").read_text(encoding="utf-8"))
        click.echo(json.dumps({**answer, "accepted": accepted}, indent=1, sort_keys=True))
        return
    click.echo((files / "report.txt").read_text(encoding="utf-8"), nl=False)
    if (files / "curves.png").exists():
        click.echo(f"\ncurves: {files / 'curves.png'}")
    for node, why in accepted.items():
        click.echo(f"\n{node} was not computed for this: its old result was accepted on {why['when']}, because: {why['because']}")
