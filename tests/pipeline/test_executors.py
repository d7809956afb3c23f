"""``kdpipe run --executor``: processes here, tasks of Ray and jobs of Slurm make the rows that one run then publishes."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import ConfigError
from cache.store import Store
from pipeline.executors import DONE, FAILED, Job, make
from pipeline.executors.local import Local
from pipeline.executors.slurm import minutes
from tests.pipeline.test_fill import record

MANY = ("--set", "world.videos=40")


def installed(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed: pip install 'kdpipe[{name}]'")


def alone(house) -> str:
    """The object of one process, in a store that is removed again."""
    house.run("run", "sample", *MANY)
    found = record(house)["object"]
    shutil.rmtree(house.store)
    return str(found)


def busy(house) -> list[str]:
    return [holder.what for holder in Store(house.store).holders()]


def test_processes_make_the_rows_and_the_run_publishes_them(house) -> None:
    one = alone(house)
    done = house.run("run", "sample", "--executor", "local", "--shards", "3", *MANY)
    assert "sample: 40 of 40 rows are missing; local makes them in 3 shards" in done.stderr
    assert record(house)["object"] == one and len(house.worked()) == 40
    logs = sorted(path.name for path in (house.store / "logs/world/videoqa/sample").iterdir())
    assert logs == ["1-of-3.log", "2-of-3.log", "3-of-3.log"]
    house.run("fsck", "--all")


def test_a_whole_target_has_the_rows_of_each_stage_made_in_turn(house) -> None:
    done = house.run("run", "report", "--executor", "local", "--shards", "2")
    assert "sample: 4 of 4 rows" in done.stderr and "report: done" in done.stderr
    assert house.computed("report") == []


def test_rows_that_are_there_are_no_work_for_an_executor(house) -> None:
    house.run("run", "index")
    house.run("fill", "sample")
    done = house.run("run", "sample", "--executor", "local", "--shards", "2")
    assert "rows are missing" not in done.stderr and len(house.worked()) == 4


CRASH = '    if name == "2.txt" and {condition}:\n        raise RuntimeError("the machine caught fire")\n    time.sleep(ctx.params.pause)\n'


def crash(house, condition: str) -> None:
    house.edit("stages/sample/run.py", "    time.sleep(ctx.params.pause)\n", CRASH.format(condition=condition))


def test_a_shard_that_failed_is_tried_again_for_its_missing_rows_only(house) -> None:
    crash(house, 'not (ctx.root.parents[3] / "crashed").exists() and not (ctx.root.parents[3] / "crashed").touch()')
    done = house.run("run", "sample", "--executor", "local", "--shards", "4", *MANY)
    assert "failed; once more for the rows that are missing there" in done.stderr and "sample: done" in done.stderr
    assert sorted(house.worked()) == sorted(f"{n}.txt" for n in range(40))


def test_a_shard_that_fails_again_is_named_with_its_log(house) -> None:
    crash(house, "True")
    done = house.run("run", "sample", "--executor", "local", "--shards", "4", *MANY, code=1)
    assert "of 1 failed" in done.stderr or "of 4 failed" in done.stderr
    assert "the machine caught fire" in done.stderr
    (log,) = [Path(line.split("log: ")[1]) for line in done.stderr.splitlines() if "log: " in line]
    assert "the machine caught fire" in log.read_text()
    assert str(log.parent) in house.run("status", "sample", *MANY).stdout
    assert len(house.worked()) >= 20
    done = house.run("status", "sample", "--json", *MANY)
    assert json.loads(done.stdout)[0]["status"] == "failed"


def test_if_all_shards_fail_nothing_is_tried_again(house) -> None:
    house.edit("stages/sample/run.py", "    time.sleep(ctx.params.pause)\n", '    raise RuntimeError("no such device")\n')
    done = house.run("run", "sample", "--executor", "local", "--shards", "2", *MANY, code=1)
    assert "shards 1/2, 2/2 of 2 failed" in done.stderr and "once more" not in done.stderr


def test_an_interrupt_ends_what_was_started_and_keeps_its_rows(house) -> None:
    house.run("run", "index", *MANY)
    process = house.start("run", "sample", "--executor", "local", "--shards", "2", *MANY, "--set", "sample.pause=0.4")
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and len(house.worked()) < 4:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert busy(house) == []
    worked = len(house.worked())
    house.run("run", "sample", *MANY)
    assert 4 <= worked < 40 and len(house.worked()) <= 42


def test_each_process_has_a_gpu_for_itself(tmp_path: Path) -> None:
    """Two at a time, since there are two GPUs; the third has the one that comes free."""
    code = (
        "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(os.environ['CUDA_VISIBLE_DEVICES'])\n"
        "while not pathlib.Path('go' + sys.argv[1]).exists(): time.sleep(0.02)"
    )
    executor = Local(8, {}, ["3", "GPU-5"])
    executor.submit([Job(name, (sys.executable, "-c", code, name), tmp_path / f"{name}.log", tmp_path) for name in "abc"])
    try:
        assert [outcome.state for outcome in executor.poll()] == ["running", "running", "waiting"]
        (tmp_path / "gob").touch()
        until(lambda: {outcome.name for outcome in executor.poll() if outcome.state == "running"} == {"a", "c"})
        until(lambda: (tmp_path / "c").exists() and (tmp_path / "c").read_text() != "")
        assert {name: (tmp_path / name).read_text() for name in "abc"} == {"a": "3", "b": "GPU-5", "c": "GPU-5"}
    finally:
        for name in "abc":
            (tmp_path / f"go{name}").touch()
        executor.cancel()


def until(held: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not held():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_settings_that_mean_nothing_are_refused(house) -> None:
    assert "--job gpus=…" in house.run("run", "sample", "--executor", "local", "--job", "gpus=1", code=1).stderr
    assert "go with --executor" in house.run("run", "sample", "--shards", "2", code=2).stderr
    assert "NAME=VALUE" in house.run("run", "sample", "--executor", "slurm", "--job", "gpus", code=1).stderr


def test_more_jobs_than_places_wait_their_turn(tmp_path: Path) -> None:
    executor = Local(2, {})
    code = "import pathlib, sys, time; time.sleep(0.2); pathlib.Path(sys.argv[1]).touch(); sys.exit(sys.argv[1] == 'c')"
    jobs = [Job(name, (sys.executable, "-c", code, name), tmp_path / f"{name}.log", tmp_path) for name in "abc"]
    executor.submit(jobs)
    assert sorted(outcome.state for outcome in executor.poll()) == ["running", "running", "waiting"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and {outcome.state for outcome in executor.poll()} & {"running", "waiting"}:
        time.sleep(0.05)
    assert {outcome.name: outcome.state for outcome in executor.poll()} == {"a": DONE, "b": DONE, "c": FAILED}
    assert next(outcome.reason for outcome in executor.poll() if outcome.name == "c") == "ended with 1"
    executor.submit(jobs[2:])
    assert {outcome.name: outcome.state for outcome in executor.poll()}["c"] == "running"
    executor.cancel()
    assert (tmp_path / "a").exists()


# -- Slurm ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90), ("4:00:00", 240), ("1-12", 2160), ("2-00:30", 2910), ("10:30", 11), ("1-00:00:30", 1441)]
)
def test_times_are_read_as_slurm_reads_them(text: str, expected: int) -> None:
    assert minutes(text) == expected


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(ConfigError, match="no time that Slurm knows"):
        minutes("soon")


def test_the_script_for_sbatch_runs_every_shard(house) -> None:
    one = alone(house)
    house.run("run", "index", *MANY)
    text = house.run("plan", "sample", "--shards", "3", "--sbatch", "--job", "partition=gpu", "--job", "gres=gpu:1", *MANY).stdout
    assert "#SBATCH --array=1-3\n" in text and "#SBATCH --partition=gpu\n" in text and "#SBATCH --requeue\n" in text
    assert "kdpipe run sample" in text
    for number in (1, 2, 3):
        environment = {**house.environment, "SLURM_ARRAY_TASK_ID": str(number)}
        subprocess.run(["bash", "-c", text], env=environment, check=True, capture_output=True, timeout=120)
    assert len(house.worked()) == 40
    house.run("run", "sample", *MANY)
    assert record(house)["object"] == one and len(house.worked()) == 40


def test_a_script_is_for_one_node(house) -> None:
    assert "a script is for one node" in house.run("plan", "--shards", "2", "--sbatch", code=1).stderr


@pytest.fixture
def slurm(house, tmp_path: Path) -> Path:
    """A fake Slurm on the path of the house; its directory."""
    bin, home = tmp_path / "bin", tmp_path / "slurm"
    bin.mkdir()
    home.mkdir()
    for name in ("sbatch", "srun", "squeue", "scancel", "scontrol"):
        program = bin / name
        program.write_text(f"#!{sys.executable}\n" + (Path(__file__).parent / "fake_slurm.py").read_text())
        program.chmod(0o755)
    house.environment |= {"PATH": f"{bin}:{os.environ['PATH']}", "FAKE_SLURM": str(home)}
    return home


@installed("submitit")
def test_jobs_of_slurm_make_the_rows(house, slurm: Path) -> None:
    one = alone(house)
    done = house.run("run", "sample", "--executor", "slurm", "--shards", "3", "--job", "partition=cpu", "--job", "time=1:00:00", *MANY)
    assert "slurm makes them in 3 shards" in done.stderr and record(house)["object"] == one
    (script,) = slurm.glob("*.sh")
    for option in ("--array=0-2%3", "--partition=cpu", "--time=60", "--requeue", "--open-mode=append"):
        assert f"#SBATCH {option}\n" in script.read_text()
    assert len(house.worked()) == 40
    assert "rows made" in (house.store / "logs/world/videoqa/sample/2-of-3.log").read_text()


@installed("submitit")
def test_what_submitit_writes_lies_in_directories_of_the_group(house, slurm: Path) -> None:
    house.store.mkdir()
    house.store.chmod(0o2770)
    house.run("run", "index", *MANY)
    before = os.umask(0o077)
    try:
        house.run("run", "sample", "--executor", "slurm", "--shards", "2", *MANY)
    finally:
        os.umask(before)
    made = [house.store / name for name in ("logs", "logs/world", "logs/world/videoqa", "logs/world/videoqa/sample")]
    assert [oct(path.stat().st_mode & 0o2070) for path in made] == [oct(0o2070)] * 4


@installed("submitit")
def test_a_job_that_slurm_preempts_goes_on_where_it_was(house, slurm: Path) -> None:
    one = alone(house)
    house.run("run", "index", *MANY)
    process = house.start("run", "sample", "--executor", "slurm", "--shards", "2", *MANY, "--set", "sample.pause=0.4")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(house.worked()) < 6:
        time.sleep(0.1)
    tasks = subprocess.run(
        ["pgrep", "-f", f"submitit.core._submit {house.store}"], capture_output=True, text=True, check=True
    ).stdout.split()
    os.kill(int(tasks[0]), signal.SIGUSR2)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert len((slurm / "requeued").read_text().split()) == 1
    assert record(house)["object"] == one and len(house.worked()) <= 41  # at most the row that it was at is made twice


@installed("submitit")
def test_an_interrupt_cancels_what_was_submitted(house, slurm: Path) -> None:
    house.run("run", "index", *MANY)
    process = house.start("run", "sample", "--executor", "slurm", "--shards", "2", *MANY, "--set", "sample.pause=0.4")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(house.worked()) < 2:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert len((slurm / "cancelled").read_text().split()) == 2


@installed("submitit")
def test_without_slurm_the_error_says_so(house) -> None:
    house.environment["PATH"] = "/nowhere"
    assert "there is no Slurm here" in house.run("run", "sample", "--executor", "slurm", code=1).stderr


# -- Ray --------------------------------------------------------------------------------------------------------------------


class Remote:
    """What ``ray.remote`` makes of a function, here: a task is the exit code of a call of it."""

    def __init__(self, **asked: object) -> None:
        self.asked = asked

    def __call__(self, function: Callable[..., int]) -> Remote:
        self._function = function
        return self

    def remote(self, *said: object) -> int:
        return self._function(*said)


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_a_log_and_its_directory_can_be_written_by_the_group_whatever_the_umask(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = types.SimpleNamespace(
        is_initialized=lambda: True, remote=Remote, wait=lambda tasks, timeout: (tasks, []), get=lambda task: task, shutdown=None
    )
    monkeypatch.setitem(sys.modules, "ray", ray)
    (tmp_path / "store").mkdir()
    (tmp_path / "store").chmod(0o2770)
    log = tmp_path / "store" / "logs" / "sample" / "1-of-1.log"
    before = os.umask(0o077)
    try:
        executor = make(kind, at_once=1, settings={}, logs=log.parent)
        executor.submit([Job("1/1", (sys.executable, "-c", "print('rows made')"), log, tmp_path)])
        while [outcome.state for outcome in executor.poll()] != [DONE]:
            time.sleep(0.05)
    finally:
        os.umask(before)
        executor.cancel()
    assert log.read_text() == "rows made\n" and log.stat().st_mode & 0o060 == 0o060
    for directory in (log.parent, log.parent.parent):
        assert directory.stat().st_mode & 0o2070 == 0o2070


@pytest.mark.long
@installed("ray")
def test_tasks_of_a_local_cluster_of_ray_make_the_same_rows(house) -> None:
    one = alone(house)
    done = house.run("run", "sample", "--executor", "ray", "--shards", "2", "--workers", "2", *MANY)
    assert "ray makes them in 2 shards" in done.stderr and record(house)["object"] == one
    assert len(house.worked()) == 40 and "rows made" in (house.store / "logs/world/videoqa/sample/2-of-2.log").read_text()


@pytest.mark.long
@installed("ray")
def test_a_task_of_ray_that_fails_is_named_with_its_log(house) -> None:
    crash(house, "True")
    done = house.run("run", "sample", "--executor", "ray", "--shards", "2", "--workers", "2", *MANY, code=1)
    assert "ended with 70" in done.stderr and "the machine caught fire" in done.stderr


@installed("ray")
def test_a_resource_of_ray_is_a_number(house) -> None:
    house.run("run", "index")
    told = house.run("run", "sample", "--executor", "ray", "--job", "num_gpus=some", code=1).stderr
    assert "a resource of Ray is a number" in told
