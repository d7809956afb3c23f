"""``kdpipe plan``: what would run, in order, the reason, and about how long it will take."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence

import click

from cache.errors import ConfigError, KdpipeError
from pipeline.cli.fill import Spread, executor_option, job_of, spread_options
from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.session import Session, say_error, select, session_options
from pipeline.cli.typed import command
from pipeline.device import require_device
from pipeline.estimate import Estimate, Estimates, total
from pipeline.executors.slurm import script
from pipeline.filling import survey
from pipeline.judge import FRESH, WAITS, Judge, State
from pipeline.ready import SEED, require_files, require_possible
from pipeline.spreading import logs_of
from pipeline.text import line_text, time_text


@click.command()
@click.argument("targets", nargs=-1)
@click.option("--make", "as_make", is_flag=True, help="Print a makefile of what would run (this is how `make` orders the stages).")
@click.option("--sbatch", "as_sbatch", is_flag=True, help="With --shards: print a script for sbatch that makes the rows of one node.")
@executor_option
@spread_options
@session_options(*WHAT, *HOW, *LOOK)
def plan(
    session: Session,
    targets: tuple[str, ...],
    as_make: bool,
    as_sbatch: bool,
    executor: str | None,
    shards: int | None,
    jobs: tuple[str, ...],
) -> None:
    """Show what TARGETS (default: everything) would run; with --shards, how many rows of these nodes each shard would make."""
    if executor is not None and not as_make:
        raise click.UsageError("--executor goes with --make")
    if shards is not None and executor is None:
        print_shards(session, select(session, targets), Spread.of(session, "slurm", shards, jobs), as_sbatch=as_sbatch)
        return
    if as_sbatch or (jobs and executor is None):
        raise click.UsageError("--sbatch and --job go with --shards")
    names = [node.name for node in session.graph.closure(select(session, targets))]
    if as_make:
        how = Spread.of(session, executor, shards, jobs).words if executor is not None else []
        judge = session.judge()
        states = _not_fresh(judge, names)
        require_files(judge, names)
        if session.json and targets != ("report",):
            raise KdpipeError("--json goes through make only with what answers: make report, make demo", hint="kdpipe plan --json")
        click.echo(makefile(states, how, targets), nl=False)
    else:
        print_plan(session, names)


def print_shards(session: Session, names: list[str], how: Spread, *, as_sbatch: bool) -> None:
    """Print how many rows each shard of the nodes would make, or a script that makes them for one node."""
    if as_sbatch and len(names) != 1:
        raise ConfigError(f"a script is for one node, not for {len(names)}", hint=f"kdpipe plan {names[0]} --shards {how.shards} --sbatch")
    judge, rows = session.judge(), []
    require_possible(judge, names)
    for name in names:
        lacking = survey(judge, name, session.options)
        counts = lacking.shards(how.shards)
        rows.append({"node": name, "wanted": lacking.wanted, "missing": len(lacking.todo), "shards": counts})
        if as_sbatch:
            logs = logs_of(session.store, judge.dataset, judge.system, name)
            job = job_of(session, name, f"SHARD/{how.shards}", logs)
            click.echo(script(name, job, how.shards, how.settings, logs, command("run", name)), nl=False)
        elif not session.json:
            spread = f"; {how.shards} shards of {min(counts)} to {max(counts)}" if lacking.todo else ""
            click.echo(f"{name}: {len(lacking.todo)} of {lacking.wanted} rows are missing{spread}")
    if session.json and not as_sbatch:
        click.echo(json.dumps(rows, indent=1))


def _not_fresh(judge: Judge, names: list[str]) -> list[State]:
    return [state for state in judge.states(names) if state.status != FRESH]


def print_plan(session: Session, names: list[str]) -> None:
    """Print the nodes that are not fresh, in running order, with their reasons and estimates."""
    judge = session.judge()
    require_device(judge.device)
    require_possible(judge, names)
    states = _not_fresh(judge, names)
    _say_lacking(judge, names)
    known = Estimates(judge) if states else None
    estimates = {state.node.name: known.of(state) for state in states} if known is not None else {}
    if session.json:
        click.echo(json.dumps([_row(state, estimates[state.node.name]) for state in states], indent=1))
        return
    if not states:
        click.echo("nothing to run: everything is fresh")
        return
    width = max(len(state.node.name) for state in states)
    for state in states:
        seconds = estimates[state.node.name].seconds
        guess = "?" if seconds is None else f"~{time_text(seconds)}"
        far = "*" if estimates[state.node.name].far else " "
        click.echo(f"{state.node.name:{width}}  {guess:>13}{far} {line_text(state.reason)}")
    click.echo(total_text(states, estimates))
    if any(estimate.far for estimate in estimates.values()):
        click.echo("* as it took for another dataset or system, or other nodes of the stage took")


def _say_lacking(judge: Judge, names: list[str]) -> None:
    """Tell what would stop the run, on standard error: who asks what would run is still shown it."""
    try:
        require_files(judge, names)
    except KdpipeError as lack:
        say_error(lack)


def total_text(states: list[State], estimates: dict[str, Estimate]) -> str:
    """What all of it will take. A node that waits may turn out to be fresh when its turn comes, so its time is an upper bound."""
    amount = total(states, estimates)
    count = f"{len(states)} stage{'s' if len(states) > 1 else ''}"
    if amount.unknown == len(states):
        return f"{count}; nothing is known of how long they take"
    bound = "at most " if any(state.status == WAITS for state in states) else ""
    text = f"{count}, {bound}~{time_text(amount.seconds)} one after the other"
    if amount.path < amount.seconds * 0.95:
        text += f", ~{time_text(amount.path)} at best in parallel"
    return text + (f"; nothing is known of {amount.unknown} of them (?)" if amount.unknown else "")


def by_stage(names: Sequence[str]) -> list[str]:
    """Nodes in running order, but those of all seeds of a network before the next network's.

    make begins what is ready in the order given, and looks again at what was not when it has come to the end. So a student whose teacher's
    dump is made meanwhile begins on this round, and is not left over for the next, where others have ended and cores stand idle.
    """
    place: dict[str, int] = {}
    for name in names:
        place.setdefault(SEED.sub("", name), len(place))
    return sorted(names, key=lambda name: place[SEED.sub("", name)])


def _row(state: State, estimate: Estimate) -> dict[str, object]:
    return {
        "node": state.node.name,
        "status": state.status,
        "reason": state.reason,
        "estimate_s": None if estimate.seconds is None else round(estimate.seconds, 1),
        "estimate_from": estimate.basis,
    }


def makefile(states: list[State], how: Sequence[str] = (), targets: Sequence[str] = ()) -> str:
    """A makefile with one phony rule per node that is not fresh; nodes that wait are judged again when their turn comes.

    What was typed is carried into every rule, and ``how``: words that say who makes the rows; into that of the index, the ``targets``.
    """
    if not states:
        return ""
    pending = by_stage([state.node.name for state in states])
    among = set(pending)
    lines = ["SHELL := /bin/bash", ".PHONY: all " + " ".join(pending), "all: " + " ".join(pending)]
    python = f"{shlex.quote(sys.executable)} -m pipeline"
    for number, state in enumerate(states, 1):
        name = state.node.name
        needs = " ".join(read for read in state.node.reads.values() if read in among)
        after = [word for target in targets for word in ("--for", target)] if name == "index" else []
        one = f"{python} {command('one', name, '--place', f'{number}/{len(states)}', *after, *how).removeprefix('kdpipe ')}"
        lines += [f"{name}: {needs}".rstrip(), "\t@" + one.replace("$", "$$")]
    return "\n".join(lines) + "\n"
