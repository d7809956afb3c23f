"""``kdpipe run``: what a target needs, in order, in this process."""

from __future__ import annotations

import click

from pipeline.cli.plan import print_plan
from pipeline.cli.session import Session, select, session_options
from pipeline.judge import FRESH, Judge
from pipeline.runner import run_node


@click.command()
@click.argument("targets", nargs=-1, required=True)
@session_options
def run(session: Session, targets: tuple[str, ...]) -> None:
    """Run what TARGETS need: nodes (student.kd.s0), stages (student) or aliases (features, demo)."""
    nodes = session.graph.closure(select(session, targets))
    run_nodes(session, [node.name for node in nodes])


def run_nodes(session: Session, names: list[str]) -> None:
    """Bring the named nodes up to date one after the other; each may read only what is fresh by then."""
    if session.dry_run:
        print_plan(session, names)
        return
    judge = session.judge(read_files=True)
    computed = sum(bring_up_to_date(session, judge, name) for name in names)
    judge.fingerprint.save()
    if not computed:
        session.options.say(f"{names[-1] if len(names) == 1 else f'{len(names)} stages'}: up to date")


def bring_up_to_date(session: Session, judge: Judge, name: str) -> bool:
    """Run one node if it is not fresh, saying so; True if something was computed."""
    state = judge.state(name)
    if state.status != FRESH:
        session.options.say(f"{name}: running ({state.reason})")
    record, computed = run_node(judge, name, session.options)
    if computed:
        ledger = ", ".join(f"{count} {state}" for state, count in record.ledger.items())
        session.options.say(f"{name}: done in {record.seconds:.1f} s{', ' + ledger if ledger else ''}")
    return computed
