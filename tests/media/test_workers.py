"""Killable workers: every job ends in an outcome of its own. The jobs are expressions; the function is ``eval``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cache import loaded
from cache.errors import KdpipeError
from media import workers
from media.workers import run_killable

PROJECT = Path(__file__).parents[2]
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


def test_the_directory_for_temporary_files_may_have_a_long_path(tmp_path: Path) -> None:
    place = tmp_path / ("of_a_job_" * 12)
    place.mkdir()
    script = "from media.workers import run_killable\nwhere = '__import__(\"tempfile\").gettempdir()'\n"
    script += "print(*[done.value for done in run_killable(eval, [(1, where)], workers=1, timeout=9)], eval(where))"
    env = {**os.environ, "TMPDIR": str(place)}
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, [str(place), str(place)]), done.stderr
    assert not list(place.iterdir())


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


def test_workers_find_modules_where_their_parent_does_whatever_lies_in_the_directory(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "__init__.py").touch()
    (tmp_path / "cache" / "digest.py").write_text("def digest_value(value):\n    return 'of another house'\n")
    program = tmp_path / "apart" / "program.py"
    program.parent.mkdir()
    program.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(PROJECT)!r})\n"
        "from cache.digest import digest_value\n"
        "from media.workers import run_killable\n"
        "if __name__ == '__main__':\n"
        "    done = list(run_killable(digest_value, [(1, 'a')], workers=1, timeout=60))\n"
        "    assert [d.value for d in done] == [digest_value('a')], done\n"
    )
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([sys.executable, str(program)], cwd=tmp_path, env=clean, check=True, timeout=120)


def test_a_worker_says_which_code_it_runs_before_it_is_given_work_and_what_it_loads_later() -> None:
    heard = []
    with loaded.examining(lambda report, inherited: heard.append((inherited, report))):
        list(run_killable(eval, [(1, "1"), (2, "bool(__import__('cache.names'))")], workers=1, timeout=60))
    (before, first), *later = heard
    assert before and first["media.workers"][0] == workers.__file__
    assert [(inherited, list(report)) for inherited, report in later] == [(False, ["cache.names"])]
