"""Jobs that fill the shards of a node, followed to their end: how far they are, which failed, and once more what those left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cache.errors import KdpipeError
from cache.items import ItemSet
from cache.names import escape
from cache.part import Shard
from cache.stage import Progress
from cache.store import Store
from pipeline.executors import DONE, FAILED, RUNNING, WAITING, Executor, Job, Outcome
from pipeline.text import time_text

#: Seconds between two looks at jobs and rows, and between two lines where no bar is shown.
PAUSE = 1.0
LINE = 60.0
#: How much of the end of a log is searched for the error.
TAIL = 1 << 14


def logs_of(store: Store, dataset: str, system: str, node: str) -> Path:
    """The directory of the logs of the processes that fill a node."""
    return store.root / "logs" / escape(dataset) / escape(system) / escape(node)


def log_name(shard: Shard) -> str:
    """The name of the log of a shard."""
    return f"{shard.number}-of-{shard.count}.log"


class Far:
    """How far it is: the missing rows that are there by now, whoever made them."""

    def __init__(self, items: ItemSet, todo: frozenset[str]) -> None:
        self._items, self._left = items, set(todo)
        self._total, self._began = len(todo), time.monotonic()

    def come(self) -> int:
        """How many came since the last look."""
        self._items.refresh()
        here = {key for key in self._left if self._items.has(key)}
        self._left -= here
        return len(here)

    def __str__(self) -> str:
        done, spent = self._total - len(self._left), time.monotonic() - self._began
        left = f", ~{time_text(spent / done * len(self._left))} left" if done and self._left else ""
        return f"{done} of {self._total} rows{left}"


def follow(name: str, executor: Executor, jobs: Sequence[Job], far: Far, bar: Progress, say: Callable[[str], None]) -> None:
    """Run the jobs; those that fail are tried once more, for the rows that they left. Whatever ends it, nothing goes on running.

    Raises KdpipeError with the logs of those that failed again, or at once if all failed.
    """
    try:
        failed = _round(name, executor, jobs, far, bar, say)
        if failed and len(failed) < len(jobs):
            say(f"{name}: {_which(failed)} failed; once more for the rows that are missing there")
            failed = _round(name, executor, [job for job in jobs if job.name in failed], far, bar, say)
    finally:
        executor.cancel()
    if failed:
        logs = {job.name: job.log for job in jobs}
        told = "".join(f"\n    {one}: {outcome.reason}: {_error(logs[one])}\n      log: {logs[one]}" for one, outcome in failed.items())
        raise KdpipeError(
            f"{name}: {_which(failed)} of {len(jobs)} failed; the rows that were made are kept:{told}",
            hint=f"the same command computes what is missing; kdpipe run {name} does so here",
        )


def _round(name: str, executor: Executor, jobs: Sequence[Job], far: Far, bar: Progress, say: Callable[[str], None]) -> dict[str, Outcome]:
    """Submit jobs and wait for all of them; those that failed, by name, in the order of the jobs."""
    executor.submit(jobs)
    wanted = {job.name for job in jobs}
    said = time.monotonic()
    while True:
        found = {outcome.name: outcome for outcome in executor.poll() if outcome.name in wanted}
        states = [outcome.state for outcome in found.values()]
        bar.step(far.come(), note=f"{states.count(DONE)} of {len(jobs)} shards done")
        if states.count(WAITING) + states.count(RUNNING) == 0:
            return {job.name: found[job.name] for job in jobs if job.name in found and found[job.name].state == FAILED}
        if time.monotonic() - said > LINE:
            said = time.monotonic()
            say(f"{name}: {far}; shards: {_counted(states)}")
        time.sleep(PAUSE)


def _counted(states: Sequence[str]) -> str:
    return ", ".join(f"{states.count(state)} {state}" for state in (WAITING, RUNNING, DONE, FAILED) if state in states)


def _which(failed: Mapping[str, Outcome]) -> str:
    names = list(failed)
    return f"shard{'s' if len(names) > 1 else ''} {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"


def _error(log: Path) -> str:
    """What the end of a log says: its last error, or its last line."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        return "it has no log"
    errors = [line for line in lines if "error:" in line.lower()]
    return (errors or lines or ["it said nothing"])[-1].strip()
