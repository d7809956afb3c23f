"""A toy house: the real ``pipeline`` and ``cache`` over stages that count letters, so that commands take milliseconds.

The tests run real commands in a copy of the checkout whose ``stages`` and ``systems`` are small stand-ins.
"""

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import warm
from tests.command import plain_environment

PROJECT = Path(__file__).resolve().parents[2]

DECLARE = """
from dataclasses import dataclass
from cache.stage import Node, Stage, option
"""

TOY = {
    "stages/__init__.py": "",
    "stages/world/__init__.py": DECLARE
    + """
@dataclass(frozen=True)
class WorldParams:
    layout: str = option("toy")
    videos: int = option(4)

STAGE = Stage("world", "stages.world.run:run", WorldParams)
""",
    "stages/world/run.py": """
def run(ctx):
    for n in range(ctx.params.videos):
        (ctx.out / f"{n}.txt").write_text(f"video {n}")
""",
    "stages/index/__init__.py": DECLARE
    + """
@dataclass(frozen=True)
class IndexParams:
    layout: str = option("toy")

STAGE = Stage("index", "stages.index.run:run", IndexParams, sources="stages.index.sources:sources", raw=True, help="Index.")
""",
    "stages/index/sources.py": """
def sources(params, root):
    return sorted(p.name for p in root.glob("*.txt"))
""",
    "stages/index/run.py": """
import json

def run(ctx):
    (ctx.out / "index.json").write_text(json.dumps({k: v for k, v in ctx.sources.items() if k.endswith(".txt")}, sort_keys=True))
""",
    "stages/sample/__init__.py": DECLARE
    + """
@dataclass(frozen=True)
class SampleParams:
    num_clips: int = option(8)
    pause: float = option(0.0, keyed=False)
    max_lost: float = option(0.0, keyed=False)

STAGE = Stage(
    "sample",
    "stages.sample.run:run",
    SampleParams,
    items=("index", "world"),
    tolerance="max_lost",
    raw=True,
    reads=("index",),
    help="Sample.",
)
""",
    "stages/sample/run.py": """
import hashlib, json, time
from stages.sample import helper

def work(ctx, name, digest):
    time.sleep(ctx.params.pause)
    text = (ctx.root / name).read_text()
    with open(ctx.items.directory.parents[2] / "worked.log", "a") as log:
        log.write(name + chr(10))
    if "slow" in text:
        ctx.items.lost.add(digest, {"state": "timed_out", "reason": "it took too long"})
        return
    ctx.items.append(digest, helper.work(text).encode(), {"state": "empty" if "broken" in text else "ok"})
    ctx.items.flush()

def run(ctx):
    rows, listed = {}, json.loads((ctx.inputs["index"] / "index.json").read_text())
    for name, digest in listed.items():
        if digest not in ctx.items and ctx.items.lost.get(digest) is None:
            work(ctx, name, digest)
    for name, digest in listed.items():
        item = ctx.items.get(digest)
        if item is None:
            ctx.ledger.add(name, **ctx.items.lost.get(digest))
            continue
        ctx.members.add(name, digest, item.digest)
        ctx.ledger.add(name, item.meta["state"])
        if item.meta["state"] == "ok":
            rows[name] = item.digest
    (ctx.out / "rows.json").write_text(json.dumps(rows, sort_keys=True))
""",
    "stages/sample/helper.py": """
FACTOR = 1

def work(text):
    return text.upper() * FACTOR
""",
    "stages/ingest/__init__.py": DECLARE
    + """
@dataclass(frozen=True)
class IngestParams:
    rgb: int = option(1)

STAGE = Stage("ingest", "stages.ingest.run:run", IngestParams, raw=True, reads=("index",), help="Ingest.")
""",
    "stages/questions/__init__.py": DECLARE
    + """
@dataclass(frozen=True)
class QuestionsParams:
    glove_file: str = option("")

STAGE = Stage("questions", "stages.questions.run:run", QuestionsParams, files=("glove_file",), reads=("index",), help="Questions.")
""",
    "stages/questions/run.py": """
def run(ctx):
    glove = ctx.files["glove_file"].read_text() if ctx.files else ""
    (ctx.out / "q").write_text("questions" + glove)
""",
    "stages/extract/__init__.py": DECLARE
    + """
@dataclass(frozen=True)
class ExtractParams:
    kind: str = option("appearance", choices=("appearance", "motion"))
    backbone: str = option("small", choices=("small", "small3d", "big"))

STAGE = Stage("extract", "stages.extract.run:run", ExtractParams, facets=("device",), reads=("index", "sample"), help="Extract.")
""",
    "stages/extract/run.py": """
from models.net import feature

def run(ctx):
    (ctx.out / "feature").write_text(ctx.params.kind + ctx.params.backbone + feature((ctx.inputs["sample"] / "rows.json").read_text()))
""",
    "stages/report/__init__.py": DECLARE
    + """
@dataclass(frozen=True)
class ReportParams:
    pass

STAGE = Stage("report", "stages.report.run:run", ReportParams)
""",
    "stages/report/run.py": """
import json

def run(ctx):
    parts = {name: (path / "metric").read_text() for name, path in ctx.inputs.items() if name.startswith("evaluate")}
    (ctx.out / "report.txt").write_text(json.dumps(parts) + chr(10))
    (ctx.out / "report.json").write_text(json.dumps(parts))
""",
    "models/__init__.py": "",
    "models/net.py": """
WIDTH = 2

def feature(text):
    # one number
    return str(len(text) * WIDTH)
""",
    "systems/__init__.py": "",
    "systems/videoqa/__init__.py": DECLARE
    + """
@dataclass(frozen=True)
class TrainParams:
    seed: int = option(0)
    kd: bool = option(False)
    kd_alpha: float = option(1.0, when={"kd": (True,)})

TEACHER = Stage("teacher", "systems.videoqa.train:run", TrainParams, verb="distill")
STUDENT = Stage("student", "systems.videoqa.train:run", TrainParams, verb="distill")
EVALUATE = Stage("evaluate", "systems.videoqa.evaluate:run", TrainParams, help="Evaluate.")

def nodes(config, shared):
    features = {"questions": shared("questions"), "appearance": shared("extract", "appearance"), "motion": shared("extract", "motion")}
    for seed in config.seeds:
        yield Node(f"teacher.s{seed}", TEACHER, config.params("teacher", TrainParams, seed=seed), features)
        kd = config.params("student.kd", TrainParams, seed=seed, kd=True)
        yield Node(f"student.kd.s{seed}", STUDENT, kd, {**features, "teacher": f"teacher.s{seed}"})
        alone = config.params("student.alone", TrainParams, seed=seed, kd=False)
        yield Node(f"student.alone.s{seed}", STUDENT, alone, features)
        reads = {"kd": f"student.kd.s{seed}", "alone": f"student.alone.s{seed}"}
        yield Node(f"evaluate.s{seed}", EVALUATE, TrainParams(seed=seed), reads)
""",
    "systems/videoqa/train.py": """
def run(ctx):
    read = [str(path.name) + (path / f).read_text() for path in ctx.inputs.values() for f in ("feature", "model") if (path / f).exists()]
    (ctx.out / "model").write_text(repr(ctx.params) + "".join(read))
""",
    "systems/videoqa/evaluate.py": """
def run(ctx):
    (ctx.out / "metric").write_text("|".join((path / "model").read_text() for path in ctx.inputs.values()))
""",
    "configs/systems/videoqa.yaml": "dataset: world\nseeds: 2\nsample.num_clips: 4\n",
    "configs/systems/videoqa.world.yaml": "student.kd_alpha: 0.5\n",
    "configs/datasets/world.yaml": "source: world\nlayout: toy\n",
    "configs/datasets/files.yaml": "source: files\nlayout: toy\n",
}


@dataclass
class House:
    """A toy checkout with its own store and data; ``finished``: where a copy of the store of such a house is kept, once it is finished."""

    root: Path
    finished: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.root / "artifacts"

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
        done = warm.run("pipeline", *arguments, cwd=self.root, env=self.environment, light=True, timeout=120)
        assert done.returncode == code, f"kdpipe {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start it so that Ctrl-C reaches it, also where the tests themselves run in the background, where it is ignored."""
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # and by no preexec_fn, for which this large process is copied
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "pipeline", *arguments],
                cwd=self.root,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    def rules(self, *arguments: str) -> str:
        """The rules that ``plan --make`` prints, with processes that are forks."""
        python = warm.interpreter(self.root / "warm", light=True)
        return self.run("plan", *arguments, "--make").stdout.replace(sys.executable, str(python))

    def make(self, rules: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run such rules."""
        done = subprocess.run(
            ["make", *words, "-f", "-"], input=rules, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done

    def computed(self, *arguments: str) -> list[str]:
        """Run a target and name the nodes that were computed."""
        done = self.run("run", *(arguments or ("report",)))
        return sorted(line.split(":")[0] for line in done.stderr.splitlines() if ": done in" in line)

    def finish(self) -> None:
        """Compute everything in a house that is as it was built; if another one did before, take what it computed."""
        assert not self.store.exists()
        if self.finished.exists():
            shutil.copytree(self.finished, self.store)
            return
        self.computed()
        shutil.copytree(self.store, making := self.finished.with_suffix(".new"))
        making.rename(self.finished)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        path.write_text(text.replace(old, new))

    def status(self, *arguments: str) -> dict[str, str]:
        return {row["node"]: row["status"] for row in json.loads(self.run("status", "--json", *arguments).stdout)}

    def worked(self) -> list[str]:
        """Names of the items that `sample` really computed, in order."""
        log = self.store / "worked.log"
        return log.read_text().split() if log.exists() else []


@pytest.fixture
def house(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> House:
    """A toy checkout in a temporary directory."""
    root = tmp_path / "checkout"
    for package in ("cache", "pipeline"):  # with their bytecode
        shutil.copytree(PROJECT / package, root / package)
    for name, text in TOY.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    kept = {k: v for k, v in plain_environment().items() if k != "PYTHONPATH"}
    return House(root, tmp_path_factory.getbasetemp() / "finished-house", {**kept, "KDPIPE_DEVICE": "cpu", "PYTHONDONTWRITEBYTECODE": "1"})


@pytest.fixture
def videos(house: House) -> Path:
    """Raw files for dataset ``files``; DATA_ROOT points there."""
    root = house.root / "raw"
    root.mkdir()
    for name in "abc":
        (root / f"{name}.txt").write_text(f"video {name}")
    house.environment["DATA_ROOT"] = str(root)
    return root
