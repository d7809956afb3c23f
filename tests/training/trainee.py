"""Train a small network and die on the way: run by test_resume.py as a process of its own.

    python trainee.py KIND DIRECTORY

trains without interruption; with SIGKILLs from outside at random moments, again and again, then to the end; and with SIGKILLs at random
file operations of checkpoints, then to the end.

KIND is ``plain`` (one optimizer, the best epoch) or ``rich``: two optimizers in two passes, one with a scaler that overflows and
skips steps, accumulation with a remainder, rates that change at every step, a moving average, the last epoch. Writes
DIRECTORY/result.json: for each of the three, digests of the final weights and curves, and how the runs ended.
"""

from __future__ import annotations

import copy
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
import torch._dynamo  # an optimizer loads this compiler, which takes seconds: here once, not in every fork
from torch import Tensor, nn

from cache import faults
from cache.stage import Quiet
from models.training import checkpoint
from models.training.average import follow
from models.training.clipping import each_tensor, total_norm
from models.training.determinism import epoch_order, make_deterministic
from models.training.loop import Recipe, fit
from models.training.pace import Pace
from models.training.schedules import by_epoch, cosine
from models.training.selection import LAST, Selection
from models.training.updates import Group, Update

EPOCHS, SAMPLES, BATCH = 6, 60, 8
DATA = torch.Generator().manual_seed(3)
X, Y = torch.randn(SAMPLES, 6, generator=DATA), torch.randint(0, 3, (SAMPLES,), generator=DATA)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.ReLU(), nn.Linear(16, 3))


def batches(epoch: int) -> list[Tensor]:
    return list(epoch_order(SAMPLES, 5, epoch).split(BATCH))


class Plain:
    """A task that draws from all three generators: dropout (torch), numpy and Python."""

    def __init__(self, pause: float) -> None:
        self.model, self.pause = network(), pause

    def loss(self, batch: Tensor) -> tuple[Tensor, dict[str, Tensor], int]:
        time.sleep(self.pause)
        ce = nn.functional.cross_entropy(self.model(X[batch]), Y[batch])
        return ce * (1 + 0.1 * np.random.rand() + 0.1 * random.random()), {"ce": ce}, len(batch)

    def kept(self) -> nn.Module:
        return self.model

    def validate(self) -> dict[str, float]:
        return {"accuracy": float((self.model(X).argmax(1) == Y).double().mean())}

    def recipe(self) -> Recipe:
        group = Group(list(self.model.parameters()), by_epoch(1e-2, (2, 4), 0.5))
        return Recipe(EPOCHS, [Update("network", batches, self.loss, [group], clip=total_norm(1.0))], Selection("accuracy"))


class Rich(Plain):
    """A student with its EMA teacher, and a generator that imitates the student's outputs: a pass of each an epoch."""

    def __init__(self, pause: float) -> None:
        super().__init__(pause)
        student = network()
        self.model = nn.ModuleDict({"student": student, "teacher": copy.deepcopy(student).requires_grad_(False), "generator": network()})

    def imitate(self, batch: Tensor) -> tuple[Tensor, dict[str, Tensor], int]:
        with torch.no_grad():
            said = self.model["student"](X[batch])
        gap = (self.model["generator"](X[batch]) - said).square().mean()
        return gap, {"gap": gap}, len(batch)

    def learn(self, batch: Tensor) -> tuple[Tensor, dict[str, Tensor], int]:
        time.sleep(self.pause)
        out = self.model["student"](X[batch])
        with torch.no_grad():
            target = self.model["teacher"](X[batch]) + self.model["generator"](X[batch])
        return nn.functional.cross_entropy(out, Y[batch]) + 0.1 * (out - target).square().mean() * random.random(), {}, len(batch)

    def kept(self) -> nn.Module:
        return self.model["teacher"]

    def validate(self) -> dict[str, float]:
        return {}

    def recipe(self) -> Recipe:
        student, generator = self.model["student"], self.model["generator"]
        decayed = [value for value in student.parameters() if value.dim() > 1]
        others = [value for value in student.parameters() if value.dim() == 1]
        rate, momentum = cosine(1e-2, 0.0, EPOCHS * 3, warmup=4), cosine(0.9, 1.0, EPOCHS * 3)
        first = Update(
            "imitate",
            batches,
            self.imitate,
            [Group(list(generator.parameters()), cosine(0.05, 0.01, EPOCHS * 8))],
            optimizer=lambda groups: torch.optim.SGD(groups, momentum=0.9),
            accumulate=2,
        )
        second = Update(
            "learn",
            batches,
            self.learn,
            [Group(decayed, rate, cosine(0.3, 0.1, EPOCHS * 3), each_tensor(0.3), "decayed"), Group(others, rate, name="others")],
            optimizer=lambda groups: torch.optim.AdamW(groups, betas=(0.9, 0.95)),
            accumulate=3,
            scaler=torch.amp.GradScaler("cpu", init_scale=2.0**124, growth_interval=2),
            after=lambda moment: follow(self.model["teacher"], student, momentum(moment)),
        )
        return Recipe(EPOCHS, [first, second], LAST)


KINDS: dict[str, type[Plain]] = {"plain": Plain, "rich": Rich}


def train(kind: str, directory: Path, pause: float) -> dict[str, str]:
    """Train to the end; return the digests of the kept weights and of the curves."""
    make_deterministic(11)
    task = KINDS[kind](pause)
    always = Pace(seconds=0.0, share=1e9)
    result = fit(task, task.recipe(), directory, Quiet, section="teacher", pace=always)
    digest = hashlib.sha256()
    for name in sorted(result.weights):
        digest.update(result.weights[name].numpy().tobytes())
    return {"weights": digest.hexdigest(), "curves": json.dumps(result.curves, sort_keys=True), "epoch": str(result.epoch)}


def attempt(kind: str, directory: Path, pause: float, prepare: Callable[[], None], kill_after: tuple[int, float] | None) -> int:
    """Fork a run; kill it after so many new checkpoints and seconds if told. Returns the signal that ended it (0: it finished)."""
    before = changed(directory / checkpoint.NAME)
    child = os.fork()
    if child == 0:
        prepare()
        (directory / "digests.json").write_text(json.dumps(train(kind, directory, pause)))
        os._exit(0)
    if kill_after is not None:
        wait_for_checkpoints(directory / checkpoint.NAME, kill_after[0], before)
        time.sleep(kill_after[1])
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def wait_for_checkpoints(path: Path, count: int, before: int) -> None:
    """Wait until ``path``, last changed at ``before``, has been seen replaced ``count`` times."""
    last = before
    deadline = time.monotonic() + 60
    while count > 0 and time.monotonic() < deadline:
        time.sleep(0.001)
        last, now = changed(path), last
        count -= now != last


def changed(path: Path) -> int:
    """When a file was last changed, in nanoseconds; 0 if there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def strike(kind: str, nth: int) -> None:
    """Kill this process at the ``nth`` file operation of its checkpoints: before it, or with half of a write done."""
    faults._active = faults.Fault(f"{kind}:{nth}")


def run(kind: str, directory: Path, mode: str) -> dict[str, object]:
    """All attempts of a mode, in a directory of its own."""
    directory.mkdir()
    draw, ends, places = random.Random(mode), [], []
    for _ in range({"whole": 0, "killed": 12, "torn": 8}[mode]):
        if mode == "killed":
            ends.append(attempt(kind, directory, 0.01, lambda: None, (draw.randint(1, 3), draw.uniform(0, 0.02))))
        else:
            fault, nth = draw.choice(["kill", "torn"]), draw.randint(1, 400)
            ends.append(attempt(kind, directory, 0.0, lambda fault=fault, nth=nth: strike(fault, nth), None))
        found = checkpoint.Checkpoint(directory).load(sweep=False)
        places.append([found["at"][name] for name in ("epoch", "update", "batch")] if found else None)
    ends.append(attempt(kind, directory, 0.0, lambda: None, None))
    names = [path.name for path in directory.iterdir()]
    left, files = (sum(name.endswith(end) for name in names) for end in (".tmp", checkpoint.SUFFIX))
    digests = json.loads((directory / "digests.json").read_text())
    return {"digests": digests, "ends": ends, "places": places, "left": left, "files": files}


if __name__ == "__main__":
    here = Path(sys.argv[2])
    found = {mode: run(sys.argv[1], here / mode, mode) for mode in ("whole", "killed", "torn")}
    (here / "result.json").write_text(json.dumps(found))
