"""``kdpipe fill``: rows of one shard of a node. ``--executor`` of ``run``: many such processes, wherever they are."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from cache.errors import ConfigError
from cache.part import Shard
from pipeline import paths
from pipeline.cli.options import HOW, LOOK, WHAT
from pipeline.cli.session import Session, select, session_options
from pipeline.cli.typed import command
from pipeline.device import gpus_to_share
from pipeline.executors import EXECUTORS, Job, make
from pipeline.filling import fill_node, fillable, survey
from pipeline.judge import FRESH, Judge
from pipeline.progress import Bars
from pipeline.ready import require_files
from pipeline.spreading import Far, follow, log_name, logs_of
from pipeline.text import time_text


@click.command()
@click.argument("node")
@click.option("--shard", default="1/1", metavar="I/N", show_default=True, help="Only rows whose keys fall into the I-th of N parts.")
@session_options(*WHAT, *HOW, *LOOK)
def fill(session: Session, node: str, shard: str) -> None:
    """Make rows of NODE that are missing, and publish nothing: `kdpipe run` does, with the rows of everybody.

    Any number of these may run at once, on any machines that share the store.
    """
    names, part = select(session, (node,)), Shard.parse(shard)
    names = [name for name in names if fillable(session.graph, name)] or names  # what measures ranges for int8 keeps none
    judge = session.trust()
    require_files(judge, names)
    answers = []
    for name in names:
        made = fill_node(judge, name, part, session.options)
        answers.append({"node": name, "shard": str(part), **dataclasses.asdict(made)})
        lost = f", {made.lost} lost" if made.lost else ""
        session.options.say(f"{name} {part}: {made.rows} rows made{lost} in {time_text(made.seconds)}")
    judge.fingerprint.save()
    if session.json:
        click.echo(json.dumps(answers, indent=1))


@dataclass(frozen=True)
class Spread:
    """What ``--executor``, ``--shards`` and ``--job`` say."""

    executor: str
    shards: int
    settings: dict[str, str]

    @property
    def words(self) -> list[str]:
        """As it would be typed."""
        jobs = [word for name, value in self.settings.items() for word in ("--job", f"{name}={value}")]
        return ["--executor", self.executor, "--shards", str(self.shards), *jobs]

    @classmethod
    def of(cls, session: Session, executor: str, shards: int | None, settings: Iterable[str]) -> Spread:
        """Raises ConfigError for a setting that is not ``NAME=VALUE``."""
        found: dict[str, str] = {}
        for text in settings:
            name, equals, value = text.partition("=")
            if not (name and equals and value):
                raise ConfigError(f"--job {text}: it takes NAME=VALUE", hint="--job partition=gpu")
            found[name] = value
        return cls(executor, shards or session.options.workers, found)


def spread(session: Session, judge: Judge, name: str, how: Spread) -> None:
    """Let an executor make the rows that ``name`` lacks; nothing is done for a node that is fresh or keeps no rows."""
    state, options = judge.state(name), session.options
    if state.status == FRESH or not fillable(judge.graph, name):
        return
    judge.inputs(judge.graph.nodes[name])
    key = judge.key(judge.graph.nodes[name]).digest
    if judge.store.holder(key) is not None:  # somebody computes it already
        return
    if options.upstream is not None and options.upstream.fetch(judge.store, key) is not None:
        options.say(f"{name}: taken from upstream {options.upstream.place}")
        return
    lacking = survey(judge, name, options)
    counts = lacking.shards(how.shards)
    shards = [Shard(number, how.shards) for number, count in enumerate(counts, 1) if count]
    if not shards:
        return
    logs = logs_of(judge.store, judge.dataset, judge.system, name)
    for log in logs.glob("*.log"):
        log.unlink()
    gpus = gpus_to_share(judge.device)
    at_once = min(max(options.workers, 1), len(shards), *([len(gpus)] if gpus else []))
    workers = max(1, options.workers // at_once) if how.executor == "local" else None
    jobs = [job_of(session, name, str(shard), logs / log_name(shard), workers) for shard in shards]
    executor = make(how.executor, at_once=max(options.workers, 1), settings=how.settings, logs=logs, gpus=gpus)
    options.say(f"{name}: {len(lacking.todo)} of {lacking.wanted} rows are missing; {how.executor} makes them in {len(shards)} shards")
    node = judge.graph.nodes[name]
    items = judge.store.item_set(node.stage.name, judge.item_key(node, judge.key(node)))
    with Bars(name, options.progress)(f"in {len(shards)} shards", total=len(lacking.todo)) as bar:
        follow(name, executor, jobs, Far(items, lacking.todo), bar, options.say)


def job_of(session: Session, name: str, shard: str, log: Path, workers: int | None = None) -> Job:
    """The job that fills a shard, with everything that was typed; ``workers`` takes the place of what was."""
    words = [name, "--shard", shard, *(["--workers", str(workers)] if workers else [])]
    typed = shlex.split(command("fill", *words))[1:]
    kept = {key: value for key, value in os.environ.items() if key.startswith("KDPIPE_") or key == "DATA_ROOT"}
    path = os.pathsep.join([str(paths.PROJECT), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    environment = {**kept, "KDPIPE_STORE": str(session.store.root), "PYTHONPATH": path}
    return Job(shard, (sys.executable, "-m", "pipeline", *typed), log, Path.cwd(), environment)


def spread_options(function: Callable[..., None]) -> Callable[..., None]:
    """Decorator: ``--shards`` and ``--job``, which mean the same to ``run`` and to ``plan``."""
    shards = click.option("--shards", type=click.IntRange(1, 1_000_000), help="Into how many parts the rows of a stage are cut.")
    job = click.option("--job", "jobs", multiple=True, metavar="NAME=VALUE", help="An option of sbatch, or a resource of Ray, of each job.")
    return shards(job(function))


def executor_option(function: Callable[..., None]) -> Callable[..., None]:
    """Decorator: ``--executor``."""
    return click.option("--executor", type=click.Choice(list(EXECUTORS)), help="Let many processes make the rows of each stage first.")(
        function
    )
