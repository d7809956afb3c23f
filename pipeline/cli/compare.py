"""``kdpipe compare``: two results side by side: settings and code, scores, items."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from pipeline import paths
from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, say_assumed, session_options
from pipeline.compare.comparison import compare as compared
from pipeline.compare.lines import lines
from pipeline.compare.page import write
from pipeline.compare.sides import Side, side


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@click.option("--set-a", "own_a", multiple=True, metavar="KEY=VALUE", help="A parameter of A alone.")
@click.option("--set-b", "own_b", multiple=True, metavar="KEY=VALUE", help="A parameter of B alone, for example student.kd_alpha=2.")
@click.option("--network", default="", metavar="NAME", help="Compare only this network (student.kd).")
@click.option("--limit", type=click.IntRange(0), default=10, show_default=True, help="How many items of each kind of change are shown.")
@click.option(
    "--level", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.95, show_default=True, help="Of the intervals."
)
@click.option("--html", metavar="DIR", help="Also write it as a page into DIR.")
@session_options(*WHAT, *LOOK)
def compare(
    session: Session,
    first: str,
    second: str | None,
    own_a: tuple[str, ...],
    own_b: tuple[str, ...],
    network: str,
    limit: int,
    level: float,
    html: str | None,
) -> None:
    """Show how the results A and B differ: settings and code, scores with paired intervals, and the items that changed.

    Each is a node (evaluate.s0), a stage with all seeds (evaluate, student.kd, report), a pin or a key; B is A where it is not named.
    """
    a, b = (_side(session, text, own) for text, own in ((first, own_a), (second or first, own_b)))
    found = compared(session.store, a, b, level=level, limit=limit, only=network)
    page = write(paths.expanded(Path(html)), found) if html is not None else None
    if session.json:
        click.echo(json.dumps(found, indent=1))
    else:
        for line in lines(found):
            click.echo(line)
    if page is not None:
        session.options.say(f"page: {page}")


def _side(session: Session, text: str, own: Sequence[str]) -> Side:
    judge = (session.with_settings(own) if own else session).look(read_files=True)
    found = side(judge, text, own, strict=bool(own or session.settings))
    say_assumed(judge)
    judge.fingerprint.save()
    return found
