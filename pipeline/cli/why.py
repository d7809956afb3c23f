"""``kdpipe why``: the reason why a stage is not fresh, as a difference."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from pipeline.cli.options import LOOK, WHAT
from pipeline.cli.session import Session, say_assumed, say_impossible, session_options
from pipeline.explain import Explanation, Nearest, explain


@click.command()
@click.argument("target")
@session_options(*WHAT, *LOOK)
def why(session: Session, target: str) -> None:
    """Show why TARGET is not fresh: the difference between its last result and what is wanted now (-v: versions too)."""
    judge = session.look(read_files=True)
    names = session.graph.select(target)
    found = [explain(judge, state.node.name, verbose=session.verbose) for state in judge.states(names)]
    say_assumed(judge)
    say_impossible(judge, names)
    if session.json:
        click.echo(json.dumps([_row(explanation) for explanation in found], indent=1))
        return
    for explanation in found:
        click.echo(f"{explanation.node}: {explanation.status}")
        for line in explanation.lines:
            click.echo(f"  {line}")


def _row(explanation: Explanation) -> dict[str, Any]:
    return {
        "node": explanation.node,
        "status": explanation.status,
        "why": explanation.lines,
        "components": [asdict(component) for component in explanation.components],
        "waits": explanation.waits,
        "nearest": _nearest(explanation.nearest) if explanation.nearest is not None else None,
        "notes": explanation.notes,
    }


def _nearest(nearest: Nearest) -> dict[str, Any]:
    record = nearest.record
    return {
        "key": record.digest,
        "node": record.node,
        "dataset": record.dataset,
        "system": record.system,
        "inputs_compared": nearest.whole,
        "components": [asdict(component) for component in nearest.components],
        "never_seen": [asdict(component) for component in nearest.never_seen],
    }
