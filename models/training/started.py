"""Processes on this machine that are started for one piece of shared work. Whoever starts them waits, and ends all when one fails."""

from __future__ import annotations

import json
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import distributed as dist

from cache import loaded
from cache.stage import Progress, Quiet
from models.training import silence, telling
from models.training.failure import ERROR, GONE, Failure, cause, failure_of, gone
from models.training.meeting import meet, share
from models.training.silence import Silence

#: what the first process says of the work, in the directory where they meet
SAID = "said"
#: How long a process that failed may take to say why, once the first has ended.
PATIENCE = 3.0


def run(
    processes: int, work: Callable[..., None], arguments: tuple[Any, ...], device: str, progress: Callable[..., Progress] = Quiet
) -> None:
    """Run ``work(device, *arguments)`` in new processes; bars of ``progress`` show here what the first says of it.

    What ends one of them badly ends all, and is raised here.
    """
    with tempfile.TemporaryDirectory() as directory:
        meeting = Path(directory)
        beats = get_context("spawn").RawArray("Q", processes)
        job = (processes, meeting, beats, work, arguments, device, torch.get_num_threads())
        started: Sequence[BaseProcess] = torch.multiprocessing.spawn(_join, job, nprocs=processes, join=False).processes
        try:
            with telling.Reading(meeting / SAID, progress) as said:
                failure = _attend(started, meeting, beats, said)
        finally:
            _end(started)
        if failure is not None:
            raise failure.exception()
        for told in sorted(meeting.glob("*.json")):
            loaded.hear(json.loads(told.read_text()))


def _attend(started: Sequence[BaseProcess], meeting: Path, beats: Sequence[int], said: telling.Reading) -> Failure | None:
    """Wait until all have ended well, or say why they cannot; meanwhile pass on what the first has ``said``."""
    heard, deadline = Silence(), float("inf")
    while True:
        waiting = [process.sentinel for process in started if process.exitcode is None]
        if waiting:
            connection.wait(waiting, timeout=silence.EVERY)
        said.look()
        heard.hear({number: str(beat or "") for number, beat in enumerate(beats)}, time.monotonic())
        failure = cause(_failures(started, meeting, heard))
        if failure is not None:
            deadline = min(deadline, time.monotonic() + PATIENCE)
            if failure.kind in (ERROR, GONE) or time.monotonic() > deadline:
                return failure
            time.sleep(silence.EVERY / 10)
        elif not waiting:
            return None


def _failures(started: Sequence[BaseProcess], meeting: Path, heard: Silence) -> list[Failure]:
    """What processes that ended badly left, and who left nothing or is silent."""
    codes = [process.exitcode for process in started]  # before the words are read: a process speaks first and then ends
    told = [Failure.load(path.read_text()) for path in meeting.glob("*.failed")]
    size, host, silent = len(started), socket.gethostname(), heard.over(silence.LIMIT)
    for rank in set(range(size)) - {failure.rank for failure in told}:
        if code := codes[rank]:
            told.append(gone(rank, size, host, _end_of(code)))
        elif code is None and rank in silent:
            told.append(gone(rank, size, host, f"was not heard for {silent[rank]:.0f} seconds"))
    return told


def _end_of(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code} and left no word"
    return f"was killed by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"


def _end(started: Sequence[BaseProcess]) -> None:
    for process in started:
        if process.is_alive():
            process.kill()  # one that is stopped heeds nothing less, and a checkpoint is replaced whole or not at all
    for process in started:
        process.join()


def _join(
    rank: int, size: int, meeting: Path, beats: Any, work: Callable[..., None], arguments: tuple[Any, ...], device: str, threads: int
) -> None:
    threading.Thread(target=_beat, args=(rank, beats), daemon=True).start()
    try:
        meet("nccl" if device.startswith("cuda") else "gloo", init_method=f"file://{meeting / 'meeting'}", rank=rank, world_size=size)
        with telling.through(telling.Writing(meeting / SAID) if rank == 0 else Quiet):
            share(work, arguments, device, threads)
        (meeting / f"{rank}.json").write_text(json.dumps(loaded.news()))
    except BaseException as error:
        # said before the connections break, or the others would be heard first
        unfinished = meeting / f"{rank}.tmp"
        unfinished.write_text(failure_of(error, rank, size, time.time()).dump())
        unfinished.rename(meeting / f"{rank}.failed")
        raise
    dist.destroy_process_group()


def _beat(rank: int, beats: Any) -> None:
    while True:
        beats[rank] += 1
        time.sleep(silence.EVERY)
