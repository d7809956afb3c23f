"""``kdpipe status``: one line per node, without importing anything heavy."""

from __future__ import annotations

import datetime
import json
from typing import Any

import click

from cache.store import Record
from pipeline.cli.session import Session, select, session_options
from pipeline.judge import FRESH, Judge, State


@click.command()
@click.argument("targets", nargs=-1)
@session_options
def status(session: Session, targets: tuple[str, ...]) -> None:
    """Show where every stage (or TARGETS) stands: fresh, stale, missing, waiting, running or failed."""
    judge = session.judge()
    rows = [_row(judge, state) for state in judge.states(select(session, targets))]
    if session.json:
        click.echo(json.dumps(rows, indent=1, sort_keys=True))
        return
    width = max(len(row["node"]) for row in rows)
    click.echo(f"{session.graph.config.system} on {session.graph.config.dataset}")
    for row in rows:
        made = f"{row['made']}  {row['seconds']:8.1f} s  {_size(row['size']):>9}" if row["made"] else ""
        reason = f"  {row['reason']}" if row["reason"] else ""
        click.echo(f"  {row['node']:{width}}  {row['status']:8}{made}{reason}")


def _row(judge: Judge, state: State) -> dict[str, Any]:
    name = state.node.name
    shown = state.status
    reason = state.reason
    record: Record | None = state.record or judge.last(name)
    if state.key is not None and state.status != FRESH:
        failure = judge.store.failure(judge.dataset, judge.system, name)
        holder = judge.store.holder(state.key.digest)
        if holder is not None:
            shown, reason = "running", str(holder)
        elif failure is not None and failure["key"] == state.key.digest:
            shown, reason = "failed", failure["error"].splitlines()[0]
    made = datetime.datetime.fromtimestamp(record.created).strftime("%Y-%m-%d %H:%M") if record else ""
    return {
        "node": name,
        "status": shown,
        "reason": reason,
        "key": state.key.digest if state.key else "",
        "made": made,
        "seconds": record.seconds if record else 0.0,
        "size": record.size if record else 0,
        "ledger": record.ledger if record else {},
    }


def _size(size: int) -> str:
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
