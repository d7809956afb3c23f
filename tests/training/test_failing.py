"""Which of many reasons is the cause, who is silent, and what the first of a launcher's processes says."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

import pytest

from cache.errors import DataError
from models.training.failure import BROKEN, ENDED, ERROR, Failure, ProcessError, cause, failure_of, gone
from models.training.silence import Silence
from tests import warm

PROJECT = Path(__file__).resolve().parents[2]

WORK = """
import os, signal, sys
from torch import distributed as dist
from cache.errors import DataError
from models.training import distributed, processes
import pipeline.cli as cli

def work(device):
    if distributed.rank() == 1:
        if os.environ["WAY"] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise DataError("a frame is missing", hint="look for it")
    dist.barrier()

cli._command = lambda: processes.run_together(2, work)
if __name__ == "__main__":
    cli.main()
"""


@pytest.mark.parametrize(
    ("way", "said"), [("error", "error: rank 1 of 2 on .*: a frame is missing"), ("killed", "error: rank 1 of 2 on .* is gone")]
)
@pytest.mark.long
def test_the_first_process_of_a_launcher_says_why_another_ended_it(way: str, said: str, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    job = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "TORCHELASTIC_RUN_ID": "x", "WAY": way}
    (tmp_path / "worked.py").write_text(WORK)
    begun = time.monotonic()
    started = [warm.start("worked", cwd=PROJECT, env={**found(tmp_path), **job, "RANK": rank}) for rank in "01"]
    errors = [said_by(process) for process in started]
    assert [process.wait(30) for process in started] == [1, -9 if way == "killed" else 1], errors
    assert time.monotonic() - begun < 60 + 30  # starting takes the last
    assert re.search(said, errors[0]), errors[0]


def found(directory: Path) -> dict[str, str]:
    """An environment in which the modules of a directory are found beside ours."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(directory)])}


def said_by(process: warm.Process) -> str:
    """What it said as an error, once it and all that it started have ended."""
    assert process.stderr is not None
    said = process.stderr.read()
    process.close()
    return said


AGENTS = """
from torch import distributed as dist
from cache.errors import DataError
from models.training import distributed, processes
import pipeline.cli as cli

def work(device):
    if distributed.rank() == 3:
        raise DataError("a frame is missing", hint="look for it")
    dist.barrier()

cli._command = lambda: processes.run_together(4, work)
if __name__ == "__main__":
    cli.main()
"""


@pytest.mark.long
def test_an_error_on_one_host_of_torchrun_is_said_on_the_first(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (tmp_path / "agents.py").write_text(AGENTS)
    hosts = ["--nnodes=2", "--nproc_per_node=2", "--master_addr=127.0.0.1", f"--master_port={port}"]
    begun = time.monotonic()
    started = [
        warm.torchrun(tmp_path, *hosts, f"--node_rank={host}", "-m", "agents", cwd=PROJECT, env=found(tmp_path)) for host in range(2)
    ]
    errors = [said_by(agent) for agent in started]
    assert all(agent.wait(30) for agent in started), errors
    assert time.monotonic() - begun < 60 + 60  # starting takes the last
    assert re.search("error: rank 3 of 4 on .*: a frame is missing", errors[0]), errors[0]


def test_an_echo_is_no_cause_and_of_two_causes_the_first_counts() -> None:
    broken, ended = Failure(0, 4, "a", BROKEN, "lost", order=1), Failure(3, 4, "b", ENDED, "was ended", order=2)
    late, early = (failure_of(DataError(text, hint="h"), rank, 4, order) for text, rank, order in (("late", 1, 9), ("early", 2, 5)))
    silent = gone(3, 4, "b", "is gone")
    assert cause([broken, ended]) is ended
    assert cause([broken, ended, silent]) is silent
    assert cause([broken, late, silent, early]) is early
    assert cause([]) is None


def test_an_error_for_people_keeps_its_class_and_hint_and_another_its_trace() -> None:
    told = Failure.load(failure_of(DataError("bad frame", hint="look"), 1, 2).dump()).exception()
    assert type(told) is DataError and told.message.endswith(": bad frame") and told.hint == "look"
    try:
        int("x")
    except ValueError as error:
        failure = failure_of(error, 1, 2)
    assert failure.kind == ERROR and type(failure.exception()) is ProcessError
    assert "ValueError: invalid literal" in failure.exception().message and "Traceback" in failure.exception().__notes__[0]


def test_silence_counts_from_the_first_beat_and_only_while_the_listener_listens() -> None:
    silence = Silence()
    for second in range(50):
        silence.hear({0: "", 1: "same", 2: str(second)}, float(second))
    assert silence.over(45) == {1: 49.0}
    silence = Silence()
    silence.hear({1: "same"}, 0.0)
    silence.hear({1: "same"}, 1000.0)  # the listener was stopped
    assert silence.over(3) == {}
