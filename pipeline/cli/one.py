"""``kdpipe one NODE``: what a rule of the generated makefile calls; not listed in the help."""

from __future__ import annotations

import click

from cache.errors import ConfigError
from pipeline.cli.options import HOW, WHAT
from pipeline.cli.run import bring_up_to_date
from pipeline.cli.session import Session, select, session_options
from pipeline.ready import require_files


@click.command(hidden=True)
@click.argument("node")
@session_options(*WHAT, *HOW, "verbose")
def one(session: Session, node: str) -> None:
    """Bring one node up to date, in silence if it is already."""
    names = select(session, (node,))
    if names != [node]:
        raise ConfigError(f"'{node}' is {len(names)} nodes: {', '.join(names)}", hint=f"kdpipe run {node}")
    judge = session.judge(read_files=True)
    require_files(judge, names)
    bring_up_to_date(session, judge, node)
    judge.fingerprint.save()
