"""Processes on this machine."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections import deque
from collections.abc import Mapping, Sequence

from cache.errors import ConfigError
from pipeline.executors import DONE, FAILED, RUNNING, WAITING, Job, Outcome

#: Seconds that a process may take to write down what it has when it is told to end.
GRACE = 20.0


class Local:
    """At most ``at_once`` processes at a time; the others wait. Where ``gpus`` are given, each process has one of them for itself."""

    def __init__(self, at_once: int, settings: Mapping[str, str], gpus: Sequence[str] = ()) -> None:
        if settings:
            raise ConfigError(f"--job {next(iter(settings))}=… means nothing to processes on this machine", hint="leave it out")
        self._at_once = min(at_once, len(gpus)) if gpus else at_once
        self._free = list(gpus)
        self._gpu: dict[str, str] = {}
        self._waiting: deque[Job] = deque()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ended: dict[str, Outcome] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        """As :meth:`pipeline.executors.Executor.submit`."""
        for job in jobs:
            self._ended.pop(job.name, None)
            self._waiting.append(job)
        self._start()

    def poll(self) -> list[Outcome]:
        """As :meth:`pipeline.executors.Executor.poll`."""
        for name, process in list(self._running.items()):
            if (code := process.poll()) is not None:
                del self._running[name]
                if name in self._gpu:
                    self._free.append(self._gpu.pop(name))
                self._ended[name] = Outcome(name, FAILED, ended(code)) if code else Outcome(name, DONE)
        self._start()
        there = [Outcome(name, RUNNING) for name in self._running] + [Outcome(job.name, WAITING) for job in self._waiting]
        return [*self._ended.values(), *there]

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._at_once:
            job = self._waiting.popleft()
            if self._free:
                self._gpu[job.name] = self._free.pop(0)
            self._running[job.name] = job.start(self._gpu.get(job.name))

    def cancel(self) -> None:
        """As :meth:`pipeline.executors.Executor.cancel`."""
        self._waiting.clear()
        for process in self._running.values():
            interrupt(process)
        for process in self._running.values():
            finish(process)
        self._running.clear()


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Tell a process to end, as Ctrl-C does: it writes down the rows that are finished."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)


def finish(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process that was told to end has ended, but not for ever."""
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ended(code: int) -> str:
    """How a process ended, in words."""
    return f"ended with {code}" if code > 0 else f"was killed by {signal.Signals(-code).name}"
