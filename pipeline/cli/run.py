"""``kdpipe run``: what a target needs, in order, in this process."""

from __future__ import annotations

import dataclasses

import click

from cache.filling import fillers
from pipeline.cli.fill import Spread, executor_option, spread, spread_options
from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.plan import print_plan
from pipeline.cli.report import print_report
from pipeline.cli.session import Session, select, session_options
from pipeline.judge import FRESH, Judge
from pipeline.overall import Overall
from pipeline.progress import write_event
from pipeline.ready import require_allowed, require_files
from pipeline.runner import Busy, run_node


@click.command()
@click.argument("targets", nargs=-1, required=True)
@executor_option
@spread_options
@session_options(*WHAT, *HOW, "dry_run", *LOOK)
def run(session: Session, targets: tuple[str, ...], executor: str | None, shards: int | None, jobs: tuple[str, ...]) -> None:
    """Run what TARGETS need: nodes (student.kd.s0), stages (student) or aliases (features, demo). Of a report, print it at the end."""
    if executor is None and (shards or jobs):
        raise click.UsageError("--shards and --job go with --executor")
    how = Spread.of(session, executor, shards, jobs) if executor is not None else None
    wanted = select(session, targets)
    run_nodes(session, [node.name for node in session.graph.closure(wanted)], how)
    if "report" in wanted and not session.dry_run:
        print_report(session, "report")


def run_nodes(session: Session, names: list[str], how: Spread | None = None) -> None:
    """Bring the named nodes up to date one after the other; each may read only what is fresh by then. ``how`` says who makes rows first.

    A node that another process is computing is put off as long as there is something else to do.
    """
    if session.dry_run:
        print_plan(session, names)
        return
    judge = session.judge(read_files=True)
    require_files(judge, names)
    overall = Overall(judge, names, session.options)
    session = dataclasses.replace(session, options=dataclasses.replace(session.options, begin=overall.begin))
    computed, pending = 0, list(names)

    def settle(name: str) -> None:
        overall.settle(name)
        if name == "index":
            require_allowed(judge, names)

    while pending:
        put_off: list[str] = []
        for name in pending:
            if any(judge.state(read).status != FRESH for read in judge.graph.nodes[name].reads.values() if read in put_off):
                put_off.append(name)
                continue
            if how is not None:
                spread(session, judge, name, how)
            try:
                computed += bring_up_to_date(session, judge, name, wait=False)
                settle(name)
            except Busy:
                put_off.append(name)
        if len(put_off) == len(pending):  # nothing else to do
            computed += bring_up_to_date(session, judge, put_off[0])
            settle(put_off.pop(0))
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
        others = fillers(judge.store, state.key.digest) if state.key is not None else []
        if others:
            shown = ", ".join(other.what.rpartition(" ")[2] for other in others[:8])
            session.options.say(f"{name}: others still fill {shown}; what they have not made yet is made here as well")
    record, computed = run_node(judge, name, session.options, wait=wait)
    if computed:
        if session.options.progress == "json":
            write_event("done", node=name, key=record.digest, seconds=record.seconds, ledger=record.ledger)
            return True
        ledger = ", ".join(f"{count} {state}" for state, count in record.ledger.items())
        session.options.say(f"{name}: done in {record.seconds:.1f} s{', ' + ledger if ledger else ''}")
    return computed
