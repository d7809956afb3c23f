"""The main job for real, on sixteen drawn videos: world to report, as commands."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.long


def kdpipe(store: Path, *arguments: str, code: int = 0) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "DATA_ROOT"} | {"KDPIPE_STORE": str(store), "KDPIPE_DEVICE": "cpu"}
    command = [sys.executable, "-m", "pipeline", *arguments, "--dataset", "tiny"]
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if arguments[0] != "run" else done.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the whole demo ran once."""
    store = tmp_path_factory.mktemp("demo") / "store"
    assert "report: done" in kdpipe(store, "run", "report")
    return store


def results(store: Path) -> dict[str, tuple[str, str]]:
    """Node -> key and object of its result; the timing and what shows it differ from run to run."""
    found = {}
    for row in json.loads(kdpipe(store, "status", "--json")):
        record = json.loads(kdpipe(store, "show", row["node"], "--json"))
        if row["node"] not in ("timing", "report"):
            found[row["node"]] = (record["key"], record["object"])
    return found


def test_the_report_compares_teacher_student_and_baselines(demo: Path) -> None:
    text = kdpipe(demo, "report")
    for line in ("teacher", "student alone", "student distilled", "question only (no video)", "majority answer"):
        assert f"\n{line}" in text
    report = json.loads(kdpipe(demo, "report", "--json"))
    assert report["seeds"] == [0, 1]


def test_a_second_run_computes_nothing(demo: Path) -> None:
    assert "up to date" in kdpipe(demo, "run", "report")
    assert kdpipe(demo, "plan", "report", "--make") == ""
    assert {row["status"] for row in json.loads(kdpipe(demo, "status", "--json"))} == {"fresh"}


def test_a_student_loss_weight_reruns_student_evaluate_report_only(demo: Path) -> None:
    plan = json.loads(kdpipe(demo, "plan", "report", "--json", "--set", "student.kd_alpha=3"))
    assert {row["node"].split(".")[0] for row in plan} == {"student", "evaluate", "timing", "report"}
    assert {row["node"] for row in plan if row["node"].startswith("student")} == {"student.kd.s0", "student.kd.s1"}


def test_the_features_are_in_the_published_layout(demo: Path) -> None:
    import h5py

    for kind, name, rank in (("appearance", "resnet_features", 4), ("motion", "resnext_features", 3)):
        record = json.loads(kdpipe(demo, "show", f"extract.{kind}", "--json"))
        with h5py.File(Path(record["files"]) / f"msvd-qa_{kind}_feat.h5") as file:
            features, ids = file[name], file["ids"]
            assert features.dtype == "float32" and features.ndim == rank and features.shape[:2] == (16, 3)
            assert features.chunks == (1, *features.shape[1:]) and features.fletcher32 and features.compression is None
            assert ids.dtype == "int64" and ids[:].tolist() == list(range(1, 17))


def test_the_number_of_workers_changes_no_bit(demo: Path, tmp_path: Path) -> None:
    store = tmp_path / "one"
    kdpipe(store, "run", "features", "--workers", "1")
    made = {row["node"] for row in json.loads(kdpipe(store, "status", "--json")) if row["status"] == "fresh"}
    assert {"sample", "extract.appearance", "extract.motion"} <= made
    expected = results(demo)
    for node in sorted(made):
        record = json.loads(kdpipe(store, "show", node, "--json"))
        assert (record["key"], record["object"]) == expected[node]


def test_fifty_kills_at_random_moments_give_the_same_results(demo: Path, tmp_path: Path) -> None:
    """SIGKILL of the whole process group, 50 times; whenever the pipeline got through, another store is begun.

    Killed twice in one stage, it gets a little longer, since on a busy machine no stage might ever end otherwise.
    """
    dice = random.Random(7)
    kills, hit, stores, longest, last = 0, set(), [tmp_path / "killed0"], 4.0, ""
    while kills < 50:
        environment = {**os.environ, "KDPIPE_STORE": str(stores[-1]), "KDPIPE_DEVICE": "cpu"}
        command = [sys.executable, "-m", "pipeline", "run", "report", "--dataset", "tiny"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, **quiet)
        try:
            process.wait(dice.uniform(0.3, longest))
            assert process.returncode == 0, process.stderr.read()
            assert results(stores[-1]) == results(demo)
            stores.append(tmp_path / f"killed{len(stores)}")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
            begun = [line.split(":")[0].split(".")[0] for line in process.stderr.read().splitlines() if ": running" in line]
            hit |= set(begun[-1:])
            longest = min(1.2 * longest, 60.0) if begun[-1:] in ([], [last]) else 4.0
            last = begun[-1] if begun else last
        process.wait()
        process.stderr.close()
    assert len(hit) >= 5, f"the kills came in {hit} only"
    for store in stores[-2:]:
        kdpipe(store, "run", "report")
        assert results(store) == results(demo)
        sound = subprocess.run(
            [sys.executable, "-m", "pipeline", "fsck", "--all"],
            cwd=PROJECT,
            env={**os.environ, "KDPIPE_STORE": str(store)},
            capture_output=True,
        )
        assert sound.returncode == 0, sound.stdout


def test_damaged_videos_are_listed_and_never_zeros(tmp_path: Path) -> None:
    world = tmp_path / "world"
    subprocess.run(
        [sys.executable, "-m", "pipeline", "world", "--size", "tiny", "--out", str(world), "--workers", "1"],
        cwd=PROJECT,
        check=True,
        timeout=300,
    )
    clips = sorted((world / "YouTubeClips").iterdir())
    clips[0].write_bytes(clips[0].read_bytes()[:100])
    clips[1].write_bytes(b"")
    clips[2].write_text("this is no video")
    (tmp_path / "log").mkdir()
    environment = {**os.environ, "KDPIPE_STORE": str(tmp_path / "store"), "DATA_ROOT": str(world), "KDPIPE_DEVICE": "cpu"}

    def run(*extra: str) -> subprocess.CompletedProcess:
        small = ["extract.appearance.backbone=small2d", "extract.motion.backbone=small3d"]
        small += ["extract.appearance.weights=world", "extract.motion.weights=world"]
        settings = [word for setting in small for word in ("--set", setting)]
        command = [sys.executable, "-m", "pipeline", "run", "features", "--dataset", "msvd", *settings, *extra]
        return subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=300)

    failed = run()
    assert failed.returncode == 1
    assert "sample lost 3 of 16 items" in failed.stderr and "kdpipe show sample --ledger" in failed.stderr
    done = run("--set", "sample.max_lost=0.2")
    assert done.returncode == 0, done.stderr

    import h5py
    import numpy as np

    (path,) = (tmp_path / "store" / "objects").glob("*/*/files/msvd-qa_motion_feat.h5")
    with h5py.File(path) as file:
        assert len(file["ids"]) == 13
        assert np.abs(file["resnext_features"][:]).max(axis=(1, 2)).min() > 0
