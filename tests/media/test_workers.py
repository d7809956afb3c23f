"""Killable workers: every job ends in an outcome of its own. The jobs are expressions; the function is ``eval``."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from cache.errors import KdpipeError
from stages.media import workers
from stages.media.workers import run_killable

HANG = "__import__('time').sleep(600)"
DIE = "__import__('os').kill(__import__('os').getpid(), 9)"


def outcomes(expressions: list[str], count: int = 2, timeout: float = 0.0) -> dict[str, tuple[str, object]]:
    """Expression -> (state, value or reason)."""
    done = run_killable(eval, [(e, e) for e in expressions], workers=count, timeout=timeout)
    return {str(d.key): (d.state, d.value if d.state == "done" else d.reason) for d in done}


@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_job_is_answered(count: int) -> None:
    assert outcomes([f"{n} ** 2" for n in range(20)], count) == {f"{n} ** 2": ("done", n * n) for n in range(20)}


def test_no_jobs_need_no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_start", lambda function: pytest.fail("a worker was started"))
    assert outcomes([]) == {}


def test_a_job_that_hangs_is_killed_and_costs_only_itself() -> None:
    began = time.monotonic()
    found = outcomes(["1", HANG, "2", "3"], 1, timeout=0.5)
    assert time.monotonic() - began < 20
    assert found == {"1": ("done", 1), HANG: ("timed_out", "not done after 0.5 s"), "2": ("done", 2), "3": ("done", 3)}


def test_a_job_whose_worker_is_killed_costs_only_itself() -> None:
    found = outcomes(["1", DIE, "2"], 1)
    assert found == {"1": ("done", 1), DIE: ("died", "the worker process was ended (signal SIGKILL)"), "2": ("done", 2)}


def test_a_job_that_raises_tells_why_and_its_worker_goes_on() -> None:
    found = outcomes(["__import__('os').getpid()", "1 // 0", "__import__('os').getpid() + 0"], 1)
    state, reason = found.pop("1 // 0")
    assert state == "failed" and "ZeroDivisionError" in str(reason)
    assert len({value for _, value in found.values()}) == 1


def test_large_results_come_whole() -> None:
    assert outcomes(["bytes(30_000_000)"])["bytes(30_000_000)"] == ("done", bytes(30_000_000))


def test_a_worker_that_cannot_start_is_an_error_not_a_loop(tmp_path: Path) -> None:
    with pytest.raises(KdpipeError, match="before its first job"):
        list(run_killable(_Unknown(), [(1, 1)], workers=1, timeout=0))


class _Unknown:
    """Pickles as a function that no worker can find."""

    def __call__(self, argument: object) -> object:
        return argument

    def __reduce__(self) -> tuple[object, ...]:
        return eval, ("no_such_name",)


def test_leaving_early_kills_the_workers() -> None:
    jobs = [("pid", "__import__('os').getpid()"), *((n, HANG) for n in range(3))]
    running = run_killable(eval, jobs, workers=1, timeout=0)
    pid = next(running).value
    running.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_workers_import_no_torch() -> None:
    loaded = "sorted(m for m in __import__('sys').modules if m in ('torch', 'pandas', 'h5py', 'torchvision'))"
    source = f"(__import__('stages.sample.worker'), {loaded})[1]"
    assert outcomes([source], 1) == {source: ("done", [])}
