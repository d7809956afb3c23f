"""Ray Core: a task for each job, on the cluster that is there (``RAY_ADDRESS``, or one on this machine), or on one made for the while."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from cache.errors import ConfigError
from pipeline.executors import DONE, FAILED, RUNNING, Job, Outcome
from pipeline.executors.local import ended

#: What a task may ask for; every other name is a resource of the user's own cluster.
NUMBERS = ("num_cpus", "num_gpus", "memory")


class RayCore:
    """``settings`` are the resources of a task: ``num_gpus=1``, or what the cluster calls its own."""

    def __init__(self, at_once: int, settings: Mapping[str, str]) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError:
            raise ConfigError("Ray is not installed", hint="pip install 'kdpipe[ray]'") from None
        self._ray: Any = ray
        self._own = not ray.is_initialized()
        if self._own:
            quiet = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
            try:
                ray.init(address="auto", **{name: quiet[name] for name in ("log_to_driver", "logging_level")})
            except ConnectionError:
                ray.init(num_cpus=at_once, **quiet)
        self._task: Any = ray.remote(max_retries=0, **_asked(settings))(_function())
        self._tasks: dict[str, Any] = {}
        self._ended: dict[str, Outcome] = {}

    def submit(self, jobs: Sequence[Job]) -> None:
        """As :meth:`pipeline.executors.Executor.submit`."""
        for job in jobs:
            self._ended.pop(job.name, None)
            job.make_log()  # here: a task knows nothing of ours, and all machines share the store
            said = (list(job.command), str(job.directory), dict(job.environment), str(job.log))
            self._tasks[job.name] = self._task.remote(*said)

    def poll(self) -> list[Outcome]:
        """As :meth:`pipeline.executors.Executor.poll`; Ray does not tell whether a task waits or runs."""
        for name, task in list(self._tasks.items()):
            done, _ = self._ray.wait([task], timeout=0)
            if done:
                del self._tasks[name]
                self._ended[name] = self._outcome(name, task)
        return [*self._ended.values(), *(Outcome(name, RUNNING) for name in self._tasks)]

    def _outcome(self, name: str, task: Any) -> Outcome:
        try:
            code = int(self._ray.get(task))
        except self._ray.exceptions.RayError as error:  # the machine or its worker is gone
            return Outcome(name, FAILED, str(error).strip().splitlines()[0])
        return Outcome(name, FAILED, ended(code)) if code else Outcome(name, DONE)

    def cancel(self) -> None:
        """As :meth:`pipeline.executors.Executor.cancel`."""
        for task in self._tasks.values():
            self._ray.cancel(task, force=False)  # a KeyboardInterrupt there
        if self._tasks:
            self._ray.wait(list(self._tasks.values()), num_returns=len(self._tasks), timeout=30)
        self._tasks.clear()
        if self._own:
            self._ray.shutdown()


def _asked(settings: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"num_cpus": 1}
    own: dict[str, float] = {}
    for name, value in settings.items():
        try:
            (found if name in NUMBERS else own)[name] = float(value)
        except ValueError:
            raise ConfigError(f"--job {name}={value}: a resource of Ray is a number", hint="--job num_gpus=1") from None
    return {**found, "resources": own} if own else found


def _function() -> Any:
    """What a task does. It is sent by value, so that a machine needs nothing of ours but what the command itself needs."""

    def run(command: list[str], directory: str, environment: dict[str, str], log: str) -> int:
        import os
        import signal
        import subprocess

        with open(log, "ab") as file:  # noqa: PTH123
            process = subprocess.Popen(
                command, cwd=directory, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()

    return run
