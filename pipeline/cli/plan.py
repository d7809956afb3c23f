"""``kdpipe plan`` and ``kdpipe why``: what would run, in order, and the reason."""

from __future__ import annotations

import json
import shlex
import sys

import click

from pipeline import why as reasons
from pipeline.cli.session import Session, select, session_options
from pipeline.judge import FRESH, WAITS, State


@click.command()
@click.argument("targets", nargs=-1)
@click.option("--make", "as_make", is_flag=True, help="Print a makefile of what would run (this is how `make` orders the stages).")
@session_options
def plan(session: Session, targets: tuple[str, ...], as_make: bool) -> None:
    """Show what TARGETS (default: everything) would run."""
    names = [node.name for node in session.graph.closure(select(session, targets))]
    if as_make:
        click.echo(makefile(session, _not_fresh(session, names)), nl=False)
    else:
        print_plan(session, names)


def _not_fresh(session: Session, names: list[str]) -> list[State]:
    return [state for state in session.judge().states(names) if state.status != FRESH]


def print_plan(session: Session, names: list[str]) -> None:
    """Print the nodes that are not fresh, in running order, with their reasons."""
    states = _not_fresh(session, names)
    if session.json:
        click.echo(json.dumps([{"node": s.node.name, "status": s.status, "reason": s.reason} for s in states], indent=1))
        return
    if not states:
        click.echo("nothing to run: everything is fresh")
    width = max((len(s.node.name) for s in states), default=0)
    for state in states:
        click.echo(f"{state.node.name:{width}}  {state.reason}")


def makefile(session: Session, states: list[State]) -> str:
    """A makefile with one phony rule per node that is not fresh; nodes that wait are judged again when their turn comes."""
    if not states:
        return ""
    pending = {state.node.name for state in states}
    lines = [".PHONY: all " + " ".join(sorted(pending)), "all: " + " ".join(sorted(pending))]
    command = f"{shlex.quote(sys.executable)} -m pipeline {{}} {session.arguments()}".replace("$", "$$")
    for state in states:
        name = state.node.name
        needs = " ".join(read for read in state.node.reads.values() if read in pending)
        lines += [f"{name}: {needs}".rstrip(), "\t@" + command.format(f"one {name}")]
    return "\n".join(lines) + "\n"


@click.command()
@click.argument("target")
@session_options
def why(session: Session, target: str) -> None:
    """Show why TARGET is not fresh: the difference between its last result and what is wanted now."""
    judge = session.judge(read_files=True)
    answer = []
    for state in judge.states(session.graph.select(target)):
        last = judge.last(state.node.name)
        lines = [state.reason]
        if state.status == FRESH:
            lines = ["fresh"]
        elif state.status != WAITS and last is not None and state.key is not None:
            lines = reasons.differences(last, state.key, judge.definitions(state.node)) or [state.reason]
        answer.append({"node": state.node.name, "status": state.status, "why": lines})
    if session.json:
        click.echo(json.dumps(answer, indent=1))
        return
    for entry in answer:
        click.echo(f"{entry['node']}: {entry['status']}")
        for line in entry["why"] if entry["status"] != FRESH else ():
            click.echo(f"  {line}")
