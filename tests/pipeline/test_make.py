"""The Makefile: what is typed there reaches kdpipe, as many stages run at a time as was said, and a Python that is too old is named."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.cli.plan import by_stage
from tests import warm

PROJECT = Path(__file__).resolve().parents[2]


def make(house, *words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call the toy checkout's make, with an environment that is set up already."""
    done = subprocess.run(
        ["make", *words], cwd=house.root, env={**house.environment, **environment}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def front(house):
    """The toy checkout with our Makefile, and a Python that is ready."""
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(PROJECT / name, house.root / name)
    bin = house.root / ".venv" / "bin"
    bin.mkdir(parents=True)
    warm.interpreter(bin / "python", light=True)
    both = (PROJECT / "setup.cfg").read_bytes() + (PROJECT / "pyproject.toml").read_bytes()
    (house.root / ".venv" / f".ready-{hashlib.sha256(both).hexdigest()[:16]}").touch()
    return house


def test_the_data_root_of_args_is_the_one_that_runs(front, videos: Path, tmp_path: Path) -> None:
    other = tmp_path / "other $HOME 'root'"
    other.mkdir()
    (other / "z.txt").write_text("video z")
    command = f'--data-root "{other}"'.replace("$", "\\$")
    make(front, "index", "DATASET=files", f"ARGS={command}")
    index = front.run("open", "index", "--dataset", "files", "--data-root", str(other)).stdout.strip()
    assert [*json.loads((Path(index) / "index.json").read_text())] == ["z.txt"]


def test_a_data_root_with_a_dollar_is_no_business_of_make(front, tmp_path: Path) -> None:
    root = tmp_path / "a$b"
    root.mkdir()
    (root / "z.txt").write_text("video z")
    make(front, "index", "DATASET=files", f"DATA_ROOT={root}", f"KDPIPE_STORE={root / 'store'}")
    front.environment |= {"DATA_ROOT": str(root), "KDPIPE_STORE": str(root / "store")}
    assert front.status("--dataset", "files")["index"] == "fresh"


def test_a_dry_run_through_make_trains_nothing(front) -> None:
    assert "No such option" in make(front, "demo", "ARGS=--dry-run", code=2).stderr
    assert not (front.store / "objects").exists()


def test_an_executor_makes_the_rows_of_what_make_runs(front) -> None:
    assert "--job gpus=…" in make(front, "report", "EXECUTOR=local --job gpus=1", code=2).stderr
    done = make(front, "report", "EXECUTOR=local --shards 2", "ARGS=--set world.videos=9")
    assert "sample: 9 of 9 rows are missing; local makes them in 2 shards" in done.stderr
    assert front.computed("report", "--set", "world.videos=9") == []


def test_settings_arrive_with_whatever_they_hold(front) -> None:
    said = make(front, "world", "ARGS=--set 'world.nonsense=a{$x}'", code=2).stderr
    assert "unknown key 'world.nonsense'" in said
    said = make(front, "world", "ARGS=--set 'world.videos=a{$x}' --seeds 1", code=2).stderr
    assert "world.videos = 'a{$x}' must be of type int" in said
    assert "has a line break" in make(front, "world", "ARGS=--set 'a=b\nc'", code=2).stderr


@pytest.mark.parametrize(
    ("words", "environment", "jobs"),
    [
        (["-j1"], {}, "-j1"),
        (["-j2"], {}, "-j2"),
        (["-j"], {}, "-j"),
        (["--jobs=1"], {}, "-j1"),
        ([], {"MAKEFLAGS": "-j1"}, "-j1"),
        ([], {"MAKEFLAGS": "-j3"}, "-j3"),
        (["JOBS=5"], {}, "-j5"),
        (["JOBS=5"], {"MAKEFLAGS": "-j3"}, "-j5"),
        ([], {"JOBS": "6"}, "-j6"),
        (["-j1"], {"JOBS": "6"}, "-j1"),
        (["-k", "-j1", "ARGS=-j7"], {}, "-j1"),
        ([], {}, f"-j{len(os.sched_getaffinity(0))}"),
    ],
)
def test_as_many_stages_run_at_a_time_as_was_said(front, words: list[str], environment: dict[str, str], jobs: str) -> None:
    """The stand-in for kdpipe gives a rule that shows what the make which runs the stages was told."""
    (front.root / ".venv" / "bin" / "python").write_text("#!/bin/sh\necho 'all: ; @echo told $(MFLAGS)'\n")
    told = make(front, "world", *words, **environment).stdout.split()
    assert [word for word in told if word.startswith("-j")] == [jobs]


def pretend(folder: Path, name: str, version: str) -> None:
    """A Python of that version, which notes what it is asked to set up."""
    minor = version.split(".")[1]
    path = folder / name
    path.write_text(
        f"""#!/bin/sh
case "$2" in
  *print*) echo {version};;
  *exit*) [ {minor} -ge 11 ];;
  venv) mkdir -p "$3/bin"; printf '#!/bin/sh\\n' > "$3/bin/python"; chmod +x "$3/bin/python"; echo {name} > "$3/made-by";;
esac
"""
    )
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("there", "typed", "made_by"),
    [
        ({"python3": "3.12"}, [], "python3"),
        ({"python3": "3.10", "python3.12": "3.12"}, [], "python3.12"),
        ({"python3": "3.9", "python3.11": "3.11"}, [], "python3.11"),
        ({"python3": "3.10", "python3.13": "3.13", "mine": "3.11"}, ["PYTHON=mine"], "mine"),
    ],
)
def test_the_first_python_that_will_do_sets_up(house, there: dict[str, str], typed: list[str], made_by: str) -> None:
    path = bare(house, there)
    make(house, "setup", *typed, PATH=path)
    assert (house.root / ".venv" / "made-by").read_text().strip() == made_by


@pytest.mark.parametrize(
    ("there", "typed", "says"),
    [
        ({"python3": "3.10"}, [], "kdpipe needs Python 3.11 or later; python3 is 3.10 (PYTHON= names another)"),
        ({"python3": "3.12", "old": "3.8"}, ["PYTHON=old"], "kdpipe needs Python 3.11 or later; old is 3.8 (PYTHON= names another)"),
        ({}, [], "kdpipe needs Python 3.11 or later; there is no python3 (PYTHON= names another)"),
    ],
)
def test_a_python_that_is_too_old_is_named_before_anything_is_set_up(house, there: dict[str, str], typed: list[str], says: str) -> None:
    path = bare(house, there)
    assert says in make(house, "setup", *typed, code=2, PATH=path).stderr
    assert not (house.root / ".venv").exists()


def bare(house, there: dict[str, str]) -> str:
    """A PATH with these Pythons and no other."""
    folder = house.root / "bin"
    folder.mkdir()
    for tool in ("make", "cat", "sha256sum", "cut", "nproc", "mkdir", "chmod", "rm", "touch", "sh", "bash"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    for name, version in there.items():
        pretend(folder, name, version)
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(PROJECT / name, house.root / name)
    return str(folder)


SYSTEM = {
    "systems/toy/__init__.py": """
from dataclasses import dataclass
from typing import ClassVar
from cache.stage import Node, Stage, option

@dataclass(frozen=True)
class TrainParams:
    falls_back_to: ClassVar[str] = "train"
    lr: float = option(1.0)

PRETRAIN = Stage("pretrain", "systems.toy.run:train", TrainParams, help="Train without labels.")
SVM = Stage("svm", "systems.toy.run:train", TrainParams, verb="distill", libraries=("click",))
EVALUATE = Stage("evaluate", "systems.toy.run:score", TrainParams)

def nodes(config, shared):
    data = {"few": shared("sample", "few", num_clips=2), "many": shared("sample", "many", num_clips=3), "index": shared("index")}
    pretrain = Node("pretrain", PRETRAIN, config.params("pretrain", TrainParams), data)
    svm = Node("svm.linear", SVM, config.params("svm.linear", TrainParams), {"pretrain": pretrain})
    yield from (pretrain, svm, Node("evaluate.s0", EVALUATE, TrainParams(), {"svm": svm}))
""",
    "systems/toy/run.py": """
def train(ctx):
    (ctx.out / "model").write_text(repr(ctx.params))

def score(ctx):
    (ctx.out / "metric").write_text((ctx.inputs["svm"] / "model").read_text())
""",
    "configs/systems/toy.yaml": "dataset: world\ntrain.lr: 0.5\nsvm.lr: 0.25\n",
}


@pytest.fixture
def sixth(front):
    """The toy checkout with a system of its own: one folder and one config."""
    for name, text in SYSTEM.items():
        (front.root / name).parent.mkdir(exist_ok=True)
        (front.root / name).write_text(text)
    return front


def test_a_system_is_one_folder_and_one_config(sixth) -> None:
    assert "TrainParams(lr=0.25)" in make(sixth, "report", "SYSTEM=toy").stdout
    nodes = {"world", "index", "sample.few", "sample.many", "pretrain", "svm.linear", "evaluate.s0", "report"}
    assert sixth.status("--system", "toy") == dict.fromkeys(nodes, "fresh")
    shown = {
        name: json.loads(sixth.run("show", name, "--system", "toy", "--json").stdout)["key"] for name in ("sample.many", "svm", "pretrain")
    }
    assert (shown["sample.many"]["params"]["num_clips"], shown["pretrain"]["params"]["lr"]) == (3, 0.5)
    assert shown["svm"]["facets"] == {"click": importlib.metadata.version("click")}
    assert sixth.computed("pretrain", "--system", "toy", "--set", "svm.lr=3") == []
    assert sixth.computed("svm", "--system", "toy", "--set", "train.lr=3") == ["pretrain", "svm.linear"]


def test_a_system_brings_its_own_verbs_and_targets(sixth) -> None:
    assert "Train without labels." in sixth.run("--help").stdout
    make(sixth, "sample.few", "SYSTEM=toy")
    assert sixth.status("--system", "toy")["sample.many"] == "missing"
    assert "kdpipe run sample.many" in sixth.run("pretrain", "--system", "toy", code=1).stderr
    make(sixth, "sample", "SYSTEM=toy")
    assert "pretrain: done" in sixth.run("pretrain", "--system", "toy").stderr
    assert "svm.linear: done" in sixth.run("distill", "--system", "toy", "--stage", "svm").stderr
    assert "'teacher' is no part of the distillation of toy" in sixth.run("distill", "--system", "toy", "--stage", "teacher", code=1).stderr
    assert "'pretrain' is not a target of videoqa" in sixth.run("pretrain", code=1).stderr
    assert "did you mean 'pretrain'?" in make(sixth, "pretrian", "SYSTEM=toy", code=2).stderr
    (sixth.root / "systems/toy/__init__.py").write_text("1 / 0\n")
    assert "index: up to date" in sixth.run("index").stderr


def test_a_library_that_is_not_there_is_named_before_anything_runs(sixth) -> None:
    sixth.edit("systems/toy/__init__.py", 'libraries=("click",)', 'libraries=("no-such-thing",)')
    assert "svm.linear needs no-such-thing, which is not installed" in make(sixth, "svm", "SYSTEM=toy", code=2).stderr
    assert not (sixth.store / "objects").exists()


def test_a_stage_that_is_asked_for_twice_has_the_same_settings(sixth) -> None:
    sixth.edit("systems/toy/__init__.py", '"many", num_clips=3', '"few", num_clips=3')
    assert "sample.few is asked for twice, with different settings" in sixth.run("status", "--system", "toy", code=70).stderr


def test_make_begins_a_network_of_all_seeds_before_the_next_network() -> None:
    """Dumps come up on make's first round while students without a teacher are trained, and their own students after them."""
    seeds = [f"{node}.s{seed}" for seed in range(2) for node in ("teacher", "student.alone", "dump", "student.kd", "evaluate")]
    assert by_stage(["sample", *seeds, "timing", "report"]) == [
        "sample", "teacher.s0", "teacher.s1", "student.alone.s0", "student.alone.s1", "dump.s0", "dump.s1",
        "student.kd.s0", "student.kd.s1", "evaluate.s0", "evaluate.s1", "timing", "report",
    ]  # fmt: skip
