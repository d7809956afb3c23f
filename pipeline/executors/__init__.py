"""Where the processes run that fill shards: on this machine, by Slurm, by Ray. All of them start the same command.

An executor starts processes and tells how they ended. Frames and features never pass through it: the processes read from and write to
the store, which all machines share.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cache import fs

#: How a job stands.
WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"
#: The executors, and the extra that each needs.
EXECUTORS = {"local": "", "slurm": "slurm", "ray": "ray"}


@dataclass(frozen=True)
class Job:
    """A command to run somewhere. ``name`` says which (``"3/8"``); what it prints is appended to ``log``."""

    name: str
    command: tuple[str, ...]
    log: Path
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self, gpu: str | None = None) -> subprocess.Popen[bytes]:
        """Start it in this machine, in a session of its own: a Ctrl-C at the terminal is not for it. ``gpu``: the only one that it sees."""
        self.make_log()
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command,
                cwd=self.directory,
                env={**os.environ, **self.environment, **({} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def make_log(self) -> None:
        """Make the log and its directory if they are not there; in a group's store the group may write both (:func:`cache.fs.share`)."""
        fs.make_directory(self.log.parent)
        with self.log.open("ab") as log:
            fs.share(log.fileno(), self.log)

    def shell(self) -> str:
        """The command with its directory and environment, as lines for a shell."""
        exports = [f"export {name}={shlex.quote(value)}" for name, value in sorted(self.environment.items())]
        return "\n".join([f"cd {shlex.quote(str(self.directory))}", *exports, f"exec {shlex.join(self.command)}"])


@dataclass(frozen=True)
class Outcome:
    """How a job stands: ``state``, and if it failed the ``reason`` as far as the executor knows it."""

    name: str
    state: str
    reason: str = ""


class Executor(Protocol):
    """Starts jobs. Use one for one node."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Let jobs begin when there is room; may be called again, also for jobs that failed."""

    def poll(self) -> list[Outcome]:
        """How every job stands that was submitted, each once."""

    def cancel(self) -> None:
        """End what waits or runs, and let go of everything. What the jobs had finished stays."""


def make(name: str, *, at_once: int, settings: Mapping[str, str], logs: Path, gpus: Sequence[str] = ()) -> Executor:
    """The executor ``name``. ``at_once``: how many processes this machine may run; ``settings``: what jobs ask for, in the words of the
    executor (options of sbatch, resources of Ray); ``gpus``: those of this machine, for the local one. Raises ConfigError if its package
    is not installed, or it takes no such setting.
    """
    builders: dict[str, Callable[[], Executor]] = {
        "local": lambda: _local(at_once, settings, gpus),
        "slurm": lambda: _slurm(settings, logs),
        "ray": lambda: _ray(at_once, settings),
    }
    return builders[name]()


def _local(at_once: int, settings: Mapping[str, str], gpus: Sequence[str]) -> Executor:
    from pipeline.executors.local import Local

    return Local(at_once, settings, gpus)


def _slurm(settings: Mapping[str, str], logs: Path) -> Executor:
    from pipeline.executors.slurm import Slurm

    return Slurm(settings, logs)


def _ray(at_once: int, settings: Mapping[str, str]) -> Executor:
    from pipeline.executors.ray_core import RayCore

    return RayCore(at_once, settings)
