"""Train a small network and die on the way: run by test_resume.py as a process of its own.

    python trainee.py DIRECTORY whole             train without interruption
    python trainee.py DIRECTORY killed SEED       SIGKILL from outside at random moments, again and again, then finish
    python trainee.py DIRECTORY torn SEED         SIGKILL in the middle of writing checkpoints, then finish

Writes DIRECTORY/result.json: digests of the final weights and curves, and how the runs ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from cache import fs
from models.training import checkpoint
from models.training.determinism import epoch_order, make_deterministic
from models.training.loop import Recipe, fit, step_rate

EPOCHS, SAMPLES, BATCH = 6, 60, 8


class Bar:
    """No progress bar."""

    def step(self, n: int = 1, note: str = "") -> None:
        pass

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exc: object) -> None:
        return None


class Noisy:
    """A task that draws from all three generators: dropout (torch), numpy and Python."""

    def __init__(self, pause: float) -> None:
        self.model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.ReLU(), nn.Linear(16, 3))
        data = torch.Generator().manual_seed(3)
        self.x, self.y = torch.randn(SAMPLES, 6, generator=data), torch.randint(0, 3, (SAMPLES,), generator=data)
        self.pause = pause

    def batches(self, epoch: int) -> list[torch.Tensor]:
        return list(epoch_order(SAMPLES, 5, epoch).split(BATCH))

    def loss(self, batch: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
        time.sleep(self.pause)
        ce = nn.functional.cross_entropy(self.model(self.x[batch]), self.y[batch])
        return ce * (1 + 0.1 * np.random.rand() + 0.1 * random.random()), {"ce": ce}, len(batch)

    def validate(self) -> dict[str, float]:
        return {"accuracy": float((self.model(self.x).argmax(1) == self.y).double().mean())}


def train(directory: Path, pause: float) -> dict[str, str]:
    """Train to the end; return the digests of the best weights and of the curves."""
    make_deterministic(11)
    recipe = Recipe(epochs=EPOCHS, rate=step_rate(1e-2, (2, 4), 0.5), clip=1.0)
    result = fit(Noisy(pause), recipe, directory, lambda *a, **k: Bar(), every_seconds=0.0)
    digest = hashlib.sha256()
    for name in sorted(result.best):
        digest.update(result.best[name].numpy().tobytes())
    return {"weights": digest.hexdigest(), "curves": json.dumps(result.curves, sort_keys=True), "best_epoch": str(result.best_epoch)}


def die_while_writing(nth: int) -> None:
    """Kill this process in the ``nth`` checkpoint: half of the bytes written, before anything is renamed."""
    seen = 0

    def write(path: Path, data: bytes) -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            (path.parent / f".{path.name}.{os.getpid()}-torn.tmp").write_bytes(data[: len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        honest(path, data)

    honest, fs.write_atomic = fs.write_atomic, write


def attempt(directory: Path, pause: float, prepare: Callable[[], None], kill_after: tuple[int, float] | None) -> int:
    """Fork a run; kill it after so many new checkpoints and seconds if told. Returns the signal that ended it (0: it finished)."""
    child = os.fork()
    if child == 0:
        prepare()
        (directory / "digests.json").write_text(json.dumps(train(directory, pause)))
        os._exit(0)
    if kill_after is not None:
        wait_for_checkpoints(directory / checkpoint.NAME, kill_after[0])
        time.sleep(kill_after[1])
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def wait_for_checkpoints(path: Path, count: int) -> None:
    """Wait until ``path`` has been seen replaced ``count`` times."""
    last = now = path.stat().st_mtime_ns if path.exists() else 0
    deadline = time.monotonic() + 60
    while count > 0 and time.monotonic() < deadline:
        time.sleep(0.001)
        last, now = now, path.stat().st_mtime_ns if path.exists() else 0
        count -= now != last


def main(directory: Path, mode: str, seed: int) -> None:
    """Run the mode and write the result."""
    draw, ends, places = random.Random(seed), [], []
    for _ in range({"whole": 0, "killed": 12, "torn": 6}[mode]):
        if mode == "killed":
            ends.append(attempt(directory, 0.01, lambda: None, (draw.randint(1, 3), draw.uniform(0, 0.02))))
        else:
            nth = draw.randint(1, 9)
            ends.append(attempt(directory, 0.0, lambda nth=nth: die_while_writing(nth), None))
        state = None if not (directory / checkpoint.NAME).exists() else checkpoint.load(directory)
        places.append([state["at"]["epoch"], state["at"]["step"]] if state else None)
    ends.append(attempt(directory, 0.0, lambda: None, None))
    digests = json.loads((directory / "digests.json").read_text())
    left = sorted(path.name for path in directory.iterdir() if path.name.endswith(".tmp"))
    (directory / "result.json").write_text(json.dumps({"digests": digests, "ends": ends, "places": places, "left": left}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
