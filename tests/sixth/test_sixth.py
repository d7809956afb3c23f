"""A system is one folder and one YAML: ``sounds/`` and ``sounds.yaml`` lie beside this file, and run in a copy of the checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from cache.store import Store
from tests import warm
from tests.command import PROJECT, variables

HERE = Path(__file__).parent
PACKAGES = ("cache", "configs", "formats", "media", "models", "pipeline", "stages", "systems", "world")
#: class -> the pitch of its sounds in Hz
CLASSES = {"low hum": 220.0, "whistle": 1760.0}
SYSTEM = ("--system", "sounds")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout with the system in it, and a Python that is ready."""
    root = tmp_path_factory.mktemp("sixth") / "checkout"
    for name in PACKAGES:
        shutil.copytree(PROJECT / name, root / name)
    shutil.copytree(HERE / "sounds", root / "systems" / "sounds")
    shutil.copy(HERE / "sounds.yaml", root / "configs" / "systems")
    both = b""
    for name in ("Makefile", "setup.cfg", "pyproject.toml"):
        shutil.copy(PROJECT / name, root / name)
        both += (PROJECT / name).read_bytes() if name != "Makefile" else b""
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (root / ".venv" / "bin" / "python").chmod(0o755)
    warm.interpreter(root / "warm")
    (root / ".venv" / f".ready-{hashlib.sha256(both).hexdigest()[:16]}").touch()
    return root


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty sounds in the layout of ESC-50: two pitches in noise, four of each in each of five folds; one file holds no sound."""
    root = tmp_path_factory.mktemp("esc50")
    (root / "meta").mkdir()
    (root / "audio").mkdir()
    rows, random = ["filename,fold,target,category,esc10,src_file,take"], np.random.default_rng(0)
    for fold in range(1, 6):
        for target, (category, pitch) in enumerate(CLASSES.items()):
            for take in "ABCD":
                name = f"{fold}-{take}-{target}.wav"
                t = np.arange(44_100) / 44_100
                samples = 0.2 * np.sin(2 * np.pi * pitch * random.uniform(0.9, 1.1) * t) + 0.1 * random.standard_normal(len(t))
                with wave.open(str(root / "audio" / name), "wb") as file:
                    file.setparams((1, 2, 44_100, 0, "NONE", ""))
                    file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
                rows.append(f"{name},{fold},{target},{category},False,{fold}{target},{take}")
    (root / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    return root


def start(checkout: Path, data: Path, store: Path, *how: str) -> subprocess.Popen[str]:
    """``make report SYSTEM=sounds`` in a process group of its own."""
    return subprocess.Popen(
        ["make", "report", "SYSTEM=sounds", "JOBS=2", *how], cwd=checkout, env=variables(store, DATA_ROOT=str(data)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def report(checkout: Path, data: Path, store: Path, *how: str) -> str:
    """What the report prints."""
    process = start(checkout, data, store, *how)
    out, _ = process.communicate(timeout=300)
    assert process.returncode == 0, out
    return out


def results(store: Path) -> dict[str, str]:
    """Node -> the object that it made."""
    looked = Store(store)
    found = {path.name: looked.record(path.read_text().strip()) for path in (store / "refs" / "esc50" / "sounds").iterdir()}
    assert len(found) == 11  # index, sample and report once, two stages in two folds with two seeds
    return {name: record.object for name, record in found.items() if record}


@pytest.fixture(scope="module")
def whole(checkout: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store that was made in one go by one process, which was started in the ordinary way; and the report."""
    store = tmp_path_factory.mktemp("whole") / "store"
    command = [sys.executable, "-m", "pipeline", "run", "report", *SYSTEM]
    done = subprocess.run(command, cwd=checkout, env=variables(store, DATA_ROOT=str(data)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "report: done" in done.stderr, done.stderr
    return store, report(checkout, data, store)


@pytest.mark.long
def test_one_folder_and_one_yaml_run_from_raw_sounds_to_the_report(checkout: Path, data: Path, whole: tuple[Path, str]) -> None:
    _, said = whole
    assert "sound classification on esc50: test accuracy in %" in said
    assert "over 4 replicates" in said and "SVM on the teacher" in said and "SVM on the spectrum" in said


@pytest.mark.long
def test_killed_at_any_moment_and_run_again_it_ends_in_the_same_results(
    checkout: Path, data: Path, whole: tuple[Path, str], tmp_path: Path
) -> None:
    """Make starts a process for each stage here. They have the libraries loaded, so that they are killed at work."""
    store, random, kills, how = tmp_path / "store", np.random.default_rng(1), 0, f"KDPIPE={checkout / 'warm'} -m pipeline"
    for _ in range(5):
        process = start(checkout, data, store, how)
        time.sleep(random.uniform(0.3, 1.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills >= 3
    assert "over 4 replicates" in report(checkout, data, store, how)
    assert results(store) == results(whole[0])


@pytest.mark.long
def test_its_verb_stands_beside_the_others(checkout: Path, data: Path, whole: tuple[Path, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "pretrain", *SYSTEM], cwd=checkout, env=variables(whole[0], DATA_ROOT=str(data)),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "4 stages: up to date" in done.stderr, done.stderr
