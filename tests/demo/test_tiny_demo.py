"""The main job for real, on sixteen drawn videos: world to report, as commands."""

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from cache.store import Store
from tests import warm
from tests.command import PROJECT, variables
from tests.command import kdpipe as command

pytestmark = pytest.mark.long

DATASET = ("--dataset", "tiny")
#: Seconds until a kill, at most, while the pipeline goes on.
SHORTEST = 0.9


def kdpipe(store: Path, *words: str) -> str:
    return command(store, *words, *DATASET).stdout


def results(store: Path) -> dict[str, tuple[str, str]]:
    """Node -> key and object of its result; the timing and what shows it differ from run to run."""
    opened, found = Store(store), {}
    for path, key in opened.refs():
        record = opened.record(key)
        assert record is not None, path
        found[path.name] = (key, record.object)
    return {node: result for node, result in found.items() if node not in ("timing", "report")}


def test_the_report_compares_teacher_student_and_baselines(finished: Path) -> None:
    text = kdpipe(finished, "report")
    for line in ("teacher", "student alone", "student distilled", "question only (no video)", "majority answer"):
        assert f"\n{line}" in text
    report = json.loads(kdpipe(finished, "report", "--json"))
    assert report["seeds"] == [0, 1]


def test_the_report_is_also_a_page_with_examples_and_frames(finished: Path, tmp_path: Path) -> None:
    said = kdpipe(finished, "report", "--html", str(tmp_path / "page"))
    assert said == kdpipe(finished, "report") + f"\npage: {tmp_path / 'page' / 'index.html'}\n"
    text = (tmp_path / "page" / "index.html").read_text()
    report = json.loads(kdpipe(finished, "report", "--json"))
    assert all(f'title="seed 0: {100 * row["scores"]["all"]["values"][0]:.1f}, ' in text for row in report["networks"])
    assert all(f">{node} <code>" in text for node in results(finished))
    page = (tmp_path / "page" / "data" / "page_0.js").read_text()
    videos = json.loads(page[page.index(",") + 1 : page.rindex(")")])["preview"]
    assert set(videos) == {path.name for path in (tmp_path / "page" / "previews").iterdir()}
    assert "holds other files" in command(finished, "report", "--html", str(tmp_path), *DATASET, code=1).stderr


def test_the_tables_and_the_predictions_leave_for_other_programs(finished: Path, tmp_path: Path) -> None:
    report = json.loads(kdpipe(finished, "report", "--json"))
    for form, begin in (("csv", "table,row,column"), ("latex", "% video question"), ("markdown", "**video question")):
        printed = kdpipe(finished, "report", "--format", form)
        assert printed.startswith(begin) and report["networks"][0]["label"] in printed
    rows = list(csv.DictReader(io.StringIO(kdpipe(finished, "show", "evaluate", "--predictions"))))
    for network in report["networks"]:
        for seed, accuracy in zip(report["seeds"], network["scores"]["all"]["values"], strict=True):
            mine = [row["right"] == "True" for row in rows if (row["network"], row["seed"]) == (network["name"], str(seed))]
            assert sum(mine) / len(mine) == accuracy
    for name in ("answers.csv", "answers.parquet"):
        assert kdpipe(finished, "show", "evaluate", "--predictions", "--out", str(tmp_path / name)).endswith(f"{len(rows)} rows\n")
    assert "neither .csv nor" in command(finished, "show", "evaluate", "--predictions", "--out", "a.xls", *DATASET, code=1).stderr
    assert "no predictions by item in teacher.s0" in command(finished, "show", "teacher.s0", "--predictions", *DATASET, code=1).stderr


def test_a_second_run_computes_nothing(finished: Path) -> None:
    assert "up to date" in command(finished, "run", "report", *DATASET).stderr
    assert kdpipe(finished, "plan", "report", "--make") == ""
    assert {row["status"] for row in json.loads(kdpipe(finished, "status", "--json"))} == {"fresh"}


def test_a_student_loss_weight_reruns_student_evaluate_report_only(finished: Path) -> None:
    plan = json.loads(kdpipe(finished, "plan", "report", "--json", "--set", "student.kd_alpha=3"))
    assert {row["node"].split(".")[0] for row in plan} == {"student", "evaluate", "timing", "report"}
    assert {row["node"] for row in plan if row["node"].startswith("student")} == {"student.kd.s0", "student.kd.s1"}


def test_the_features_are_in_the_published_layout(finished: Path) -> None:
    import h5py

    for kind, name, rank in (("appearance", "resnet_features", 4), ("motion", "resnext_features", 3)):
        record = json.loads(kdpipe(finished, "show", f"extract.{kind}", "--json"))
        with h5py.File(Path(record["files"]) / f"msvd-qa_{kind}_feat.h5") as file:
            features, ids = file[name], file["ids"]
            assert features.dtype == "float32" and features.ndim == rank and features.shape[:2] == (16, 3)
            assert features.chunks == (1, *features.shape[1:]) and features.fletcher32 and features.compression is None
            assert ids.dtype == "int64" and ids[:].tolist() == list(range(1, 17))


def test_the_number_of_workers_changes_no_bit(finished: Path, tmp_path: Path) -> None:
    kdpipe(tmp_path, "run", "features", "--workers", "1")
    made = results(tmp_path)
    assert {"sample", "extract.appearance", "extract.motion"} <= made.keys()
    assert made.items() <= results(finished).items()


def test_fifty_kills_at_random_moments_give_the_same_results(finished: Path, tmp_path: Path) -> None:
    """SIGKILL of the whole process group, 50 times; whenever the pipeline got through, another store is begun, with the world drawn.

    Killed twice in one stage, it gets longer, since on a busy machine no stage might ever end otherwise.
    """
    dice = random.Random(7)
    kills, hit, stores, longest, last, begun = 0, set(), [tmp_path / "killed0"], SHORTEST, "", tmp_path / "begun"
    while kills < 50:
        process = warm.start("pipeline", "run", "report", *DATASET, cwd=PROJECT, env=variables(stores[-1]), session=True)
        try:
            process.wait(dice.uniform(0.1, longest))
            assert process.returncode == 0, process.stderr.read()
            assert results(stores[-1]) == results(finished)
            stores.append(tmp_path / f"killed{len(stores)}")
            shutil.copytree(begun, stores[-1])
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            kills += 1
            running = [line.split(":")[0].split(".")[0] for line in process.stderr.read().splitlines() if ": running" in line]
            hit |= set(running[-1:])
            longest = min(1.5 * longest, 60.0) if running[-1:] in ([], [last]) else SHORTEST
            last = running[-1] if running else last
        process.wait()
        process.close()
        if not begun.exists() and "world" in results(stores[-1]):
            shutil.copytree(stores[-1], begun)
    assert len(hit) >= 5, f"the kills came in {hit} only"
    for store in stores[-2:]:
        kdpipe(store, "run", "report")
        assert results(store) == results(finished)
        assert "0 damaged" in command(store, "fsck", "--all").stdout


def test_damaged_videos_are_listed_and_never_zeros(finished: Path, tmp_path: Path) -> None:
    opened, world = Store(finished), tmp_path / "world"
    shutil.copytree(opened.object_path(results(finished)["world"][1]) / "files", world)
    clips = sorted((world / "YouTubeClips").iterdir())
    for clip in clips:
        clip.chmod(0o644)
    clips[0].write_bytes(clips[0].read_bytes()[:100])
    clips[1].write_bytes(b"")
    clips[2].write_text("this is no video")
    small = ["extract.appearance.backbone=small2d", "extract.motion.backbone=small3d"]
    small += ["extract.appearance.weights=world", "extract.motion.weights=world"]
    words = ["run", "features", "--dataset", "msvd", *(word for setting in small for word in ("--set", setting))]
    failed = command(tmp_path / "store", *words, code=1, DATA_ROOT=str(world))
    assert "sample lost 3 of 16 items" in failed.stderr and "kdpipe show sample --ledger" in failed.stderr
    command(tmp_path / "store", *words, "--set", "sample.max_lost=0.2", DATA_ROOT=str(world))

    import h5py
    import numpy as np

    (path,) = (tmp_path / "store" / "objects").glob("*/*/files/msvd-qa_motion_feat.h5")
    with h5py.File(path) as file:
        assert len(file["ids"]) == 13
        assert np.abs(file["resnext_features"][:]).max(axis=(1, 2)).min() > 0
