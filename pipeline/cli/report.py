"""``kdpipe report``: make the report if it is not fresh, and print it, or write it as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from pipeline import paths
from pipeline.accept import accepted_under
from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.session import Session, say_assumed, select, session_options
from pipeline.judge import Judge
from pipeline.runner import run_node

#: What ``--html`` alone means: a folder for each system and dataset in the workplace.
USUAL = "html"


@click.command()
@click.option("--html", is_flag=False, flag_value="", metavar="[DIR]", help="Write it as a page into DIR (default: html/SYSTEM.DATASET).")
@click.option("--previews", type=click.IntRange(0), default=200, show_default=True, help="With --html: how many videos it shows.")
@click.option("--format", "form", type=click.Choice(["text", "csv", "latex", "markdown"]), default="text", help="How to print the tables.")
@session_options(*WHAT, *HOW, *LOOK)
def report(session: Session, html: str | None, previews: int, form: str) -> None:
    """Print the report: the table, the paired difference, the cost of each network."""
    if session.json and form != "text":
        raise click.UsageError("--json and --format both say how to print")
    (name,) = select(session, ("report",))
    print_report(session, name, html=html, previews=previews, form=form)


def print_report(session: Session, name: str, *, html: str | None = None, previews: int = 0, form: str = "text") -> None:
    """Make the report if it is not fresh, and print it; with ``html``, write the page too."""
    judge = session.look(read_files=True)
    record, _ = run_node(judge, name, session.options)
    say_assumed(judge)
    judge.fingerprint.save()
    files = judge.store.files(record)
    accepted = accepted_under(judge, "report")
    page = _page(judge, name, html, previews) if html is not None else None
    if session.json or form != "text":
        found = json.loads((files / "report.json").read_text(encoding="utf-8"))
        if page is not None:
            session.options.say(f"page: {page}")
        click.echo(_printed({**found, "accepted": accepted}, form), nl=False)
        return
    click.echo((files / "report.txt").read_text(encoding="utf-8"), nl=False)
    if (files / "curves.png").exists():
        click.echo(f"\ncurves: {files / 'curves.png'}")
    for node, why in accepted.items():
        click.echo(f"\n{node} was not computed for this: its old result was accepted on {why['when']}, because: {why['because']}")
    if page is not None:
        click.echo(f"\npage: {page}")


def _page(judge: Judge, name: str, folder: str, previews: int) -> Path:
    """Write the page of the finished report and return its path."""
    from pipeline.behind import finished
    from stages.report.html.write import write

    config = judge.graph.config
    usual = paths.workplace() / USUAL / f"{config.system}.{config.dataset}"
    return Path(write(paths.expanded(folder) if folder else usual, finished(judge, name), most_previews=previews))


def _printed(report: Mapping[str, Any], form: str) -> str:
    if form == "text":
        return json.dumps(report, indent=1, sort_keys=True) + "\n"
    from stages.report.written import WRITERS

    return str(WRITERS[form](report))
