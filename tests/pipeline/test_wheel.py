"""What pip installs from a wheel works from any directory: configs, packaged data and code are all in it."""

import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.command import plain_environment

PROJECT = Path(__file__).resolve().parents[2]
KINDS = (".py", ".yaml", ".json", ".c", ".safetensors", ".txt")
PACKAGES = ("cache", "pipeline", "stages", "systems", "models", "media", "formats", "world", "configs")

#: Looked up in the metadata: find_spec("pip") would spoil torch.compile in this process (findings/find_spec_pip.sh).
INSTALLED = {found.name for found in distributions()}

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not {"pip", "setuptools"} <= INSTALLED, reason="needs pip and setuptools (extra [test])"),
]


def pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", *words, "--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
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


def test_an_installed_kdpipe_works_from_an_empty_directory_and_keeps_its_results_there(wheel: Path, tmp_path: Path) -> None:
    site, here = tmp_path / "site", tmp_path / "here"
    pip("install", "--target", str(site), str(wheel))
    here.mkdir()
    kept = plain_environment()

    def kdpipe(*words: str) -> str:
        command = [sys.executable, "-P", str(site / "bin" / "kdpipe"), *words]
        done = subprocess.run(
            command, cwd=here, env={**kept, "PYTHONPATH": str(site), "KDPIPE_DEVICE": "cpu"}, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "videoqa on world" in kdpipe("status")
    assert "extract.motion" in kdpipe("plan", "--dataset", "tiny")
    (here / "kdpipe.local.yaml").write_text("dataset: tiny\n")
    kdpipe("run", "index", "--workers", "1")
    assert (here / "artifacts" / "objects").is_dir()
    assert not (site / "artifacts").exists()
    rules = kdpipe("plan", "questions", "--make")
    assert " one questions " in rules
