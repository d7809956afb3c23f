"""Worker processes that can be killed: a job that hangs, crashes or eats the memory costs itself and nothing else.

``multiprocessing.Pool`` loses its way when a worker dies, and no thread can be stopped from outside; so each worker here
has a pipe of its own, is given one job at a time, and is killed and replaced when the job overruns its time.
Workers are forked from a clean server process ("forkserver") that has imported the function's module and nothing that the
parent has loaded besides; so a worker that is replaced hours later still runs the code that the first one ran.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.util import get_temp_dir
from typing import Any

from cache import loaded
from cache.errors import KdpipeError

#: A worker that has not come up by then never will.
BOOT_SECONDS = 120.0
#: Bytes of the directory for temporary files with which the path of the server's socket, 32 longer, is certainly short enough: a system
#: allows 103 or 107.
SHORT = 70


@dataclass(frozen=True)
class Done:
    """The end of one job: ``value`` if ``state`` is "done"; else ``reason`` and "failed", "died" or "timed_out"."""

    key: Hashable
    state: str
    value: Any = None
    reason: str = ""


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    deadline: float
    ready: bool = False  # it has said so
    busy: bool = False  # it has a job
    alive: bool = True
    key: Hashable = None


def run_killable(function: Callable[[Any], Any], jobs: Iterable[tuple[Hashable, Any]], *, workers: int, timeout: float) -> Iterator[Done]:
    """Yield the outcome of ``function(argument)`` for every ``(key, argument)`` of ``jobs``, in the order of completion.

    ``function`` is importable by name and its argument and value can be pickled. ``timeout`` is in seconds of wall
    clock a job (0: none). At most ``workers`` jobs are under way, and each holds at most one result. Leaving the
    iterator early kills the workers.
    """
    queue = deque(jobs)
    pool: list[_Worker] = []
    try:
        while queue or any(worker.busy for worker in pool):
            idle = [worker for worker in pool if not worker.busy]
            while len(idle) < len(queue) and len(pool) < max(1, workers):
                idle.append(_start(function))
                pool.append(idle[-1])
            for worker in idle:
                if worker.ready and queue:
                    _give(worker, *queue.popleft(), timeout)
            for worker in _heard(pool):
                done = _hear(worker) if worker.pipe.poll() else _overrun(worker, timeout)
                if not worker.alive:
                    pool.remove(worker)
                if done is not None:
                    yield done
    finally:
        for worker in pool:
            _stop(worker)


def _heard(pool: list[_Worker]) -> list[_Worker]:
    """Wait for the first workers that have something to say, or are out of time."""
    first = min(worker.deadline for worker in pool)
    heard = wait([worker.pipe for worker in pool], None if first == float("inf") else max(0.0, first - time.monotonic()))
    return [worker for worker in pool if worker.pipe in heard or time.monotonic() >= worker.deadline]


def _start(function: Callable[[Any], Any]) -> _Worker:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, function), daemon=True)
    _place_socket()
    with _same_path():
        process.start()
    theirs.close()
    return _Worker(process, ours, time.monotonic() + BOOT_SECONDS)


def _place_socket() -> None:
    """Have the server's socket made in a directory whose path is short: TMPDIR is a long one for jobs of many clusters."""
    before = tempfile.gettempdir()
    short = (place for place in ("/tmp", "/var/tmp", "/dev/shm") if os.access(place, os.W_OK | os.X_OK))
    if len(os.fsencode(before)) > SHORT:
        tempfile.tempdir = next(short, before)
        try:
            get_temp_dir()  # made once for a process, and taken away at its end
        finally:
            tempfile.tempdir = before


@contextlib.contextmanager
def _same_path() -> Iterator[None]:
    """Let a server process that is started meanwhile find modules where this process does.

    Python 3.11 starts it with the current directory first on its path: a folder ``cache`` or ``models`` there would be taken for ours.
    """
    path = {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    before = {name: os.environ.get(name) for name in path}
    os.environ.update(path)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _give(worker: _Worker, key: Hashable, argument: Any, timeout: float) -> None:
    worker.key, worker.busy = key, True
    worker.deadline = time.monotonic() + timeout if timeout > 0 else float("inf")
    with contextlib.suppress(OSError):  # it died while idle: the closed pipe is heard next
        worker.pipe.send(argument)


def _hear(worker: _Worker) -> Done | None:
    try:
        state, value, code = worker.pipe.recv()
    except (EOFError, OSError) as error:
        _stop(worker)
        if not worker.ready:
            how = _how(worker.process.exitcode)
            raise KdpipeError(f"a worker process ended before its first job ({how})", hint="its message is above") from error
        if not worker.busy:
            return None  # it ended between two jobs: no harm done
        return Done(worker.key, "died", reason=f"the worker process was ended ({_how(worker.process.exitcode)})")
    worker.deadline = float("inf")
    loaded.hear(code, inherited=state == "ready")
    if state == "ready":
        worker.ready = True
        return None
    worker.busy = False
    return Done(worker.key, "done", value) if state == "done" else Done(worker.key, "failed", reason=value)


def _overrun(worker: _Worker, timeout: float) -> Done:
    _stop(worker)
    if not worker.ready:
        raise KdpipeError(f"a worker process did not start within {BOOT_SECONDS:g} s")
    return Done(worker.key, "timed_out", reason=f"not done after {timeout:g} s")


def _stop(worker: _Worker) -> None:
    worker.alive = False
    worker.process.kill()
    worker.process.join(5.0)  # one that waits for a dead network disk cannot be killed: leave it behind
    worker.pipe.close()


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """The life of a worker: say "ready", then answer jobs until the pipe closes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_die_with_parent, daemon=True).start()
    pipe.send(("ready", None, loaded.news()))
    while True:
        try:
            argument = pipe.recv()
        except EOFError:
            return
        try:
            answer = ("done", function(argument))
        except Exception as error:  # noqa: BLE001 - whatever a job raises is that job's outcome
            last = traceback.extract_tb(error.__traceback__)[-1]
            answer = ("failed", f"{type(error).__name__}: {error} ({last.name})")
        pipe.send((*answer, loaded.news()))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
