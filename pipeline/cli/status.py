"""``kdpipe status``: one line per node, without importing anything heavy."""

from __future__ import annotations

import datetime
import json
from typing import Any

import click

from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, say_impossible, select, session_options
from pipeline.cli.typed import command
from pipeline.judge import DAMAGED, FRESH
from pipeline.spreading import logs_of
from pipeline.standing import FAILED, FILLING, RUNNING, Standing, standings
from pipeline.text import line_text, size_text, time_text


@click.command()
@click.argument("targets", nargs=-1)
@session_options(*WHAT, *LOOK)
def status(session: Session, targets: tuple[str, ...]) -> None:
    """Show where every stage (or TARGETS) stands: fresh, stale, missing, waiting, running, filling, failed or damaged."""
    judge, names = session.look(), select(session, targets)
    found = standings(judge, names)
    say_impossible(judge, names)
    if session.json:
        click.echo(json.dumps([_row(standing) for standing in found], indent=1, sort_keys=True))
        return
    width = max(len(standing.name) for standing in found)
    click.echo(f"{session.graph.config.system} on {session.graph.config.dataset}")
    for standing in found:
        click.echo(_line(standing, width))
    for standing in found:
        logs = logs_of(session.store, session.graph.config.dataset, session.graph.config.system, standing.name)
        if standing.status in (FAILED, FILLING) and logs.is_dir():
            click.echo(f"logs of the shards of {standing.name}: {logs}")
    following = next_command(found, targets)
    if following:
        click.echo(f"next: {following}")


def next_command(found: list[Standing], targets: tuple[str, ...]) -> str:
    """The command that brings on what is not fresh; empty if everything is, or is being computed."""
    if any(standing.status == DAMAGED for standing in found):
        return "kdpipe fsck --repair"
    pending = {s.name: s for s in found if s.status != FRESH}
    idle = [name for name, s in pending.items() if s.status != RUNNING]
    if not idle:
        return ""
    read = {above for s in pending.values() for above in s.state.node.reads.values()}
    wanted = list(targets) or [name for name in idle if name not in read]  # those that nothing else waits for bring all others
    return command("run", *(wanted or idle))


def _line(standing: Standing, width: int) -> str:
    record = standing.record
    made = f"{_when(record.created)}  {time_text(record.seconds):>12}  {size_text(record.size):>9}" if record is not None else ""
    told = "; ".join(line_text(text) for text in (standing.reason, *standing.remarks) if text)
    blank = 39 if told else 0
    return f"  {standing.name:{width}}  {standing.status:8} {made:{blank}}{'  ' if told else ''}{told}".rstrip()


def _when(created: float) -> str:
    return datetime.datetime.fromtimestamp(created).strftime("%Y-%m-%d %H:%M")


def _row(standing: Standing) -> dict[str, Any]:
    record, key = standing.record, standing.state.key
    return {
        "node": standing.name,
        "status": standing.status,
        "reason": standing.reason,
        "key": key.digest if key else "",
        "result": record.digest if record else "",
        "made": _when(record.created) if record else "",
        "created": record.created if record else 0.0,
        "seconds": record.seconds if record else 0.0,
        "size": record.size if record else 0,
        "ledger": record.ledger if record else {},
        "accepted": record.accepted if record else {},
        "imported": standing.imported,
        "stale_inputs": list(standing.stale_inputs),
        "uses_accepted": list(standing.uses_accepted),
        "uses_stale": list(standing.uses_stale),
    }
