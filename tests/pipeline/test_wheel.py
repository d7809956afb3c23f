"""What pip installs from a wheel works from any directory: configs, packaged data and code are all in it."""

import shutil
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from pipeline.installed import own_version
from tests.command import plain_environment

PROJECT = Path(__file__).resolve().parents[2]
KINDS = (".py", ".yaml", ".json", ".c", ".safetensors", ".txt", ".css", ".js")
PACKAGES = ("cache", "pipeline", "stages", "systems", "models", "media", "formats", "world", "configs")

#: Looked up in the metadata: find_spec("pip") would spoil torch.compile in this process (findings/find_spec_pip.sh).
INSTALLED = {found.name for found in distributions()}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not {"pip", "setuptools"} <= INSTALLED, reason="needs pip and setuptools (extra [test])"),
]


def pip(*words: str) -> None:
    """pip with these words, without the network."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *words, "--no-deps", "--no-index"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the tree as git has it, or as it lies here without what is made."""
    base = tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(PROJECT / name, base / "tree" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, base / "tree" / name)
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(base), str(base / "tree"))
    return next(base.glob("*.whl"))


def test_the_wheel_holds_every_file_that_the_code_opens(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    ours = [path for name in PACKAGES for path in (PROJECT / name).rglob("*") if path.suffix in KINDS]
    assert {str(path.relative_to(PROJECT)) for path in ours} <= held


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """kdpipe as pip installs it into a fresh environment; the packages that it needs are those of this one."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(place, symlinks=True)
    (site,) = place.glob("lib/python*/site-packages")
    (site / "here.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    pip("--python", str(place / "bin" / "python"), "install", str(wheel))
    return place / "bin" / "kdpipe"


def test_an_installed_kdpipe_works_from_an_empty_directory_and_keeps_its_results_there(program: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()

    def kdpipe(*words: str) -> str:
        environment = {**plain_environment(), "KDPIPE_DEVICE": "cpu"}
        done = subprocess.run([program, *words], cwd=tmp_path / "here", env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert kdpipe("--version").startswith(f"kdpipe {own_version()} (Python ")
    assert "kd_alpha" in kdpipe("params", "student")
    kdpipe("world", "--layout", "ucf101", "--size", "tiny", "--action", "bow", "--out", "drawn", "--workers", "1")
    assert len(list((tmp_path / "here" / "drawn").rglob("*.avi"))) == 4
    assert "videoqa on world" in kdpipe("status")
    assert "extract.motion" in kdpipe("plan", "--dataset", "tiny")
    (tmp_path / "here" / "kdpipe.local.yaml").write_text("dataset: tiny\n")
    kdpipe("run", "index", "--workers", "1")
    assert (tmp_path / "here" / "artifacts" / "objects").is_dir()
    assert not list(program.parents[1].rglob("artifacts"))
    rules = kdpipe("plan", "questions", "--make")
    assert " one questions " in rules
