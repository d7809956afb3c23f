"""``kdpipe run``: what a target needs, in order, in this process."""

from __future__ import annotations

import click

from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.plan import print_plan
from pipeline.cli.session import Session, select, session_options
from pipeline.judge import FRESH, Judge
from pipeline.ready import require_files
from pipeline.runner import Busy, run_node


@click.command()
@click.argument("targets", nargs=-1, required=True)
@session_options(*WHAT, *HOW, "dry_run", *LOOK)
def run(session: Session, targets: tuple[str, ...]) -> None:
    """Run what TARGETS need: nodes (student.kd.s0), stages (student) or aliases (features, demo)."""
    nodes = session.graph.closure(select(session, targets))
    run_nodes(session, [node.name for node in nodes])


def run_nodes(session: Session, names: list[str]) -> None:
    """Bring the named nodes up to date one after the other; each may read only what is fresh by then.

    A node that another process is computing is put off as long as there is something else to do.
    """
    if session.dry_run:
        print_plan(session, names)
        return
    judge = session.judge(read_files=True)
    require_files(judge, names)
    computed, pending = 0, list(names)
    while pending:
        put_off: list[str] = []
        for name in pending:
            if any(judge.state(read).status != FRESH for read in judge.graph.nodes[name].reads.values() if read in put_off):
                put_off.append(name)
                continue
            try:
                computed += bring_up_to_date(session, judge, name, wait=False)
            except Busy:
                put_off.append(name)
        if len(put_off) == len(pending):  # nothing else to do
            computed += bring_up_to_date(session, judge, put_off.pop(0))
        pending = put_off
    judge.fingerprint.save()
    if not computed:
        session.options.say(f"{names[-1] if len(names) == 1 else f'{len(names)} stages'}: up to date")


def bring_up_to_date(session: Session, judge: Judge, name: str, *, wait: bool = True) -> bool:
    """Run one node if it is not fresh, saying so; True if something was computed. Raises Busy as :func:`run_node` does."""
    state = judge.state(name)
    if state.status != FRESH:
        judge.inputs(judge.graph.nodes[name])
        holder = judge.store.holder(state.key.digest) if state.key is not None else None
        if holder is not None and not wait:
            raise Busy(name, holder)
    record, computed = run_node(judge, name, session.options, wait=wait)
    if computed:
        ledger = ", ".join(f"{count} {state}" for state, count in record.ledger.items())
        session.options.say(f"{name}: done in {record.seconds:.1f} s{', ' + ledger if ledger else ''}")
    return computed
