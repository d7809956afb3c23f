"""The Makefile: what is typed there reaches kdpipe, as many stages run at a time as was said, and a Python that is too old is named."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


def make(house, *words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Call the toy checkout's make, with an environment that is set up already."""
    kept = {k: v for k, v in house.environment.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(["make", *words], cwd=house.root, env={**kept, **environment}, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@pytest.fixture
def front(house):
    """The toy checkout with our Makefile, and a Python that is ready."""
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(PROJECT / name, house.root / name)
    bin = house.root / ".venv" / "bin"
    bin.mkdir(parents=True)
    (bin / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (bin / "python").chmod(0o755)
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
