"""Slurm: an array of jobs through submitit, which are queued again when they are preempted or run out of time; or a script for sbatch."""

from __future__ import annotations

import shlex
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cache import fs
from cache.errors import ConfigError
from pipeline.executors import DONE, FAILED, RUNNING, WAITING, Job, Outcome
from pipeline.executors.local import GRACE, ended, interrupt

#: Minutes that a job may take, where the user says nothing; submitit's own 5 would end most of them.
MINUTES = 24 * 60
#: How often a job that ran out of time is queued again: each time it goes on where it was.
TIMEOUTS = 100
#: Seconds before the end of its time at which a job is told.
NOTICE = 120
#: Seconds for which a job whose command Slurm ended waits for its own end: longer than KillWait, which is mostly 30.
LAST = 90.0
#: Seconds between two looks at the queue, and how long a job may be gone from it before it has left what it returned.
LOOK, PATIENCE = 5.0, 60.0
#: What squeue says of a job that does not go on; "gone" is ours.
ENDED = {"gone", "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"}


class Attempt:
    """What runs in a job of Slurm: the command. When Slurm tells it to end, what it has is written down, and it is queued again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, job: Job) -> int:
        self._process = job.start()
        while (code := self._process.poll()) is None:  # a wait that blocks would stop a signal's handler from waiting too
            time.sleep(0.2)
        if code == -signal.SIGTERM:  # from Slurm, which is about to end this process too, and perhaps to queue the job again
            time.sleep(LAST)
        return code

    def checkpoint(self, job: Job) -> Any:
        """submitit calls it before it queues the job again."""
        from submitit.helpers import DelayedSubmission

        if self._process is not None:
            interrupt(self._process)
            until = time.monotonic() + GRACE
            while self._process.poll() is None and time.monotonic() < until:
                time.sleep(0.2)
            self._process.send_signal(signal.SIGKILL)  # nothing to one that has ended
        return DelayedSubmission(Attempt(), job)


class Slurm:
    """``settings`` are options of sbatch (``partition=gpu``, ``gres=gpu:1``, ``time=4:00:00``); ``array_parallelism`` says how many run
    at once.
    """

    def __init__(self, settings: Mapping[str, str], logs: Path) -> None:
        try:
            import submitit
        except ImportError:
            hint = "pip install 'kdpipe[slurm]', or print a script for sbatch: kdpipe plan NODE --shards 8 --sbatch"
            raise ConfigError("submitit is not installed", hint=hint) from None
        self._failures = (submitit.core.utils.FailedJobError, submitit.core.utils.UncompletedJobError)
        self._folder = logs / f"slurm-{uuid.uuid4().hex[:12]}"  # numbers of jobs begin anew where a Slurm is set up anew
        self._jobs: dict[str, Any] = {}
        self._ended: dict[str, Outcome] = {}
        self._gone: dict[str, float] = {}  # since when Slurm does not know a job as going on
        self._states: dict[str, str] = {}
        self._looked = -LOOK
        rest = {name: value for name, value in settings.items() if name not in ("time", "array_parallelism")}
        try:
            self._executor = submitit.SlurmExecutor(folder=self._folder, max_num_timeout=TIMEOUTS)
        except RuntimeError as error:
            raise ConfigError(f"there is no Slurm here: {error}", hint="run it where sbatch and srun are") from None
        self._executor.update_parameters(
            job_name="kdpipe",
            time=minutes(settings.get("time", str(MINUTES))),
            array_parallelism=int(settings.get("array_parallelism", "256")),
            signal_delay_s=NOTICE,
            additional_parameters={"requeue": True, **rest},
        )

    def submit(self, jobs: Sequence[Job]) -> None:
        """As :meth:`pipeline.executors.Executor.submit`; raises ConfigError if sbatch refuses them."""
        for path in {job.environment.get("PYTHONPATH", "") for job in jobs} - {""}:
            self._executor.update_parameters(setup=[f"export PYTHONPATH={shlex.quote(path)}"])
        fs.make_directory(self._folder)  # submitit would make the directory of logs above it, without the group's rights
        try:
            submitted = self._executor.map_array(Attempt(), list(jobs))
        except Exception as error:  # whatever submitit makes of what sbatch says
            raise ConfigError(f"sbatch refused the jobs: {str(error).strip().splitlines()[-1]}", hint="--job sets its options") from error
        for job, one in zip(jobs, submitted, strict=True):
            self._jobs[job.name] = one
            self._ended.pop(job.name, None)
            self._gone[job.name] = time.monotonic()

    def poll(self) -> list[Outcome]:
        """As :meth:`pipeline.executors.Executor.poll`."""
        if time.monotonic() - self._looked > LOOK:
            self._looked, seen = time.monotonic(), states()
            if seen is None:  # nobody can tell now
                self._gone.clear()
            else:
                self._states = seen
        for name, job in self._jobs.items():
            if name not in self._ended and (outcome := self._ending(name, job)) is not None:
                self._ended[name] = outcome
        return [self._ended.get(name) or Outcome(name, self._stands(job)) for name, job in self._jobs.items()]

    def _stands(self, job: Any) -> str:
        return WAITING if self._states.get(job.job_id, "PENDING") in ("PENDING", "CONFIGURING", "REQUEUED") else RUNNING

    def _ending(self, name: str, job: Any) -> Outcome | None:
        """How a job ended: it left what it returned, or Slurm has not known it as going on for a while."""
        if job.paths.result_pickle.exists():
            try:
                code = int(job.result())
            except self._failures:
                return Outcome(name, FAILED, f"submitit says why: {job.paths.stderr}")
            return Outcome(name, FAILED, ended(code)) if code else Outcome(name, DONE)
        state = self._states.get(job.job_id, "gone")
        if state not in ENDED:
            self._gone.pop(name, None)
        elif time.monotonic() - self._gone.setdefault(name, time.monotonic()) > PATIENCE:
            return Outcome(name, FAILED, f"Slurm says {state}, see {job.paths.stderr}")
        return None

    def cancel(self) -> None:
        """As :meth:`pipeline.executors.Executor.cancel`."""
        for name, job in self._jobs.items():
            if self._ended.get(name) != Outcome(name, DONE):
                job.cancel(check=False)
        if self._jobs and all(self._ended.get(name) == Outcome(name, DONE) for name in self._jobs):
            fs.remove_tree(self._folder)  # of others, submitit's own logs may say more
        self._jobs.clear()


def states() -> dict[str, str] | None:
    """Job (``5_1``) -> what squeue says of it, None if it fails; accounting, which many small clusters do not have, is not asked."""
    found = subprocess.run(["squeue", "--me", "-h", "-r", "-t", "all", "-o", "%i %T"], capture_output=True, text=True, check=False)
    if found.returncode:
        return None
    return {words[0]: words[1] for line in found.stdout.splitlines() if len(words := line.split()) == 2}


def minutes(text: str) -> int:
    """A time as Slurm writes it: ``90`` (minutes), ``MM:SS``, ``H:MM:SS``, ``D-H``, ``D-H:MM``, ``D-H:MM:SS``. Raises ConfigError."""
    days, dash, rest = text.rpartition("-")
    try:
        parts = [int(part) for part in rest.split(":")]
        if dash:
            hours, mins, seconds = (*parts, 0, 0)[:3]
        elif len(parts) == 3:
            hours, mins, seconds = parts
        else:
            hours, (mins, seconds) = 0, (*parts, 0)[:2]
        total = (int(days or 0) * 24 + hours) * 60 + mins + (seconds + 59) // 60
    except ValueError:
        raise ConfigError(f"--job time={text} is no time that Slurm knows", hint="--job time=4:00:00 is four hours") from None
    return max(total, 1)


def script(name: str, job: Job, count: int, settings: Mapping[str, str], logs: Path, then: str) -> str:
    """A script for ``sbatch`` that runs ``job`` as an array of ``count``; the command finds its shard in ``$SLURM_ARRAY_TASK_ID``."""
    at_once = settings.get("array_parallelism", "")
    options = {
        "job-name": f"kdpipe-{name}",
        "array": f"1-{count}{'%' + at_once if at_once else ''}",
        "requeue": "",
        "open-mode": "append",
        "output": str(logs / f"%a-of-{count}.log"),
        **{key.replace("_", "-"): value for key, value in settings.items() if key != "array_parallelism"},
    }
    return "\n".join(
        [
            "#!/bin/bash",
            f"# mkdir -p {logs}; sbatch THIS FILE",
            f"# and when the jobs are done: {then}",
            *(f"#SBATCH --{key}{'=' + value if value else ''}" for key, value in options.items()),
            job.shell().replace(f"SHARD/{count}", f'"$SLURM_ARRAY_TASK_ID"/{count}'),
            "",
        ]
    )
