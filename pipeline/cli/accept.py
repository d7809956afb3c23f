"""``kdpipe accept``, ``pin`` and ``unpin``: what people decide about results."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from cache import pins
from cache.errors import KdpipeError
from cache.store import Store
from pipeline import accept as acceptance
from pipeline import paths
from pipeline.cli.options import LOOK, WHAT, takes
from pipeline.cli.session import Session, select, session_options
from pipeline.cli.typed import command


@click.command()
@click.argument("targets", nargs=-1, required=True)
@click.option("--because", default="", help="Why the old result is good enough; shown wherever it is used.")
@click.option("--undo", is_flag=True, help="Take the acceptance back.")
@session_options(*WHAT, *LOOK)
def accept(session: Session, targets: tuple[str, ...], because: str, undo: bool) -> None:
    """Use the last results of TARGETS for the present code and settings, after an edit that changes no result."""
    judge = session.judge(read_files=True)
    names = select(session, targets)
    records = acceptance.undo(judge, names) if undo else acceptance.accept(judge, names, because)
    judge.fingerprint.save()
    if session.json:
        click.echo(json.dumps([{"node": r.node, "key": r.digest, "accepted": r.accepted, "undone": undo} for r in records], indent=1))
        return
    for record in records:
        done = "is not accepted any more" if undo else f"accepted ({record.accepted['because']})"
        click.echo(f"{record.node}: {done}; the result is that of {record.accepted['from'][:12]}")
    if not records:
        click.echo("nothing was accepted there" if undo else "nothing to accept: all fresh")
    elif not undo:
        click.echo(f"to take it back: {command('accept', *targets, '--undo')}")


@click.command()
@click.argument("node")
@click.option("--as", "name", default="", help="Name of the pin (default: the node's).")
@click.option("--because", default="", help="Why it is kept.")
@click.option("--alone", is_flag=True, help="Keep only this result, not what it was made from.")
@session_options(*WHAT, *LOOK)
def pin(session: Session, node: str, name: str, because: str, alone: bool) -> None:
    """Keep the last result of NODE under a name, whatever is run later."""
    judge = session.look()
    chosen = session.graph.select(node)
    if len(chosen) > 1:
        raise KdpipeError(f"'{node}' is several results: {', '.join(chosen)}", hint=f"kdpipe pin {chosen[0]}")
    record = judge.state(chosen[0]).record or judge.last(chosen[0])
    if record is None:
        raise session.never_made(chosen[0])
    made = pins.pin(session.store, name or chosen[0], record, because=because, alone=alone)
    click.echo(json.dumps(asdict(made), indent=1) if session.json else f"{made.name}: {made.node} {made.key[:12]} is kept")


@click.command()
@click.argument("name")
@takes(*LOOK)
def unpin(name: str, as_json: bool, verbose: bool) -> None:
    """Forget the pin NAME; the result stays until gc finds that nothing needs it."""
    gone = pins.unpin(Store(paths.store_root()), name)
    click.echo(json.dumps(asdict(gone), indent=1) if as_json else f"{gone.name}: not kept any more ({gone.node} {gone.key[:12]})")
