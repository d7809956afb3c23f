"""``kdpipe one NODE``: what a rule of the generated makefile calls; not listed in the help."""

from __future__ import annotations

import dataclasses

import click

from cache.errors import ConfigError
from pipeline.cli.fill import Spread, executor_option, spread, spread_options
from pipeline.cli.options import HOW, WHAT
from pipeline.cli.run import bring_up_to_date
from pipeline.cli.session import Session, select, session_options
from pipeline.overall import say_begin
from pipeline.ready import require_allowed, require_files


@click.command(hidden=True)
@click.argument("node")
@click.option("--place", default="1/1", help="Which rule of the makefile it is, of how many.")
@click.option("--for", "targets", multiple=True, help="With the index: what is made after it (default: everything).")
@executor_option
@spread_options
@session_options(*WHAT, *HOW, "verbose")
def one(
    session: Session,
    node: str,
    place: str,
    targets: tuple[str, ...],
    executor: str | None,
    shards: int | None,
    jobs: tuple[str, ...],
) -> None:
    """Bring one node up to date, in silence if it is already."""
    number, of = (int(part) if part.isdecimal() else 1 for part in place.partition("/")[::2])
    options = dataclasses.replace(session.options, begin=lambda name, reason: say_begin(session.options, name, reason, number, of))
    names = select(session, (node,))
    if names != [node]:
        raise ConfigError(f"'{node}' is {len(names)} nodes: {', '.join(names)}", hint=f"kdpipe run {node}")
    judge = session.judge(read_files=True)
    require_files(judge, names)
    if executor is not None:
        spread(session, judge, node, Spread.of(session, executor, shards, jobs))
    bring_up_to_date(dataclasses.replace(session, options=options), judge, node)
    if node == "index":
        require_allowed(judge, [wanted.name for wanted in session.graph.closure(select(session, targets))])
    judge.fingerprint.save()
