"""From drawn clips to top-1 with the real commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.predict.bad_files import bad_files, only_these_fail
from tests.tiny_demo import kdpipe_for

kdpipe = kdpipe_for("gkd", "tinyactions", "seeds=1", "train.epochs=1", "timing.repeats=1")


@pytest.mark.long
def test_recognition_runs_from_drawing_to_the_report_and_then_does_nothing(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path, symlinks=True, dirs_exist_ok=True)
    done = kdpipe(tmp_path, "run", "report")
    assert done.returncode == 0 and "world: running" not in done.stderr, done.stderr
    report = kdpipe(tmp_path, "report")
    assert "1/test top-1 in %" in report.stdout and "student, distilled − student alone" in report.stdout
    assert kdpipe(tmp_path, "plan", "report", "--make").stdout == ""
    predict_says_of_files_what_the_evaluation_says(tmp_path)
    flow = ("--set", "graph.modalities=[rgb,flow]", "--set", "derive.flow.expert=dis")
    done = kdpipe(tmp_path, "run", "report", *flow)
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert "student.alone.flow.s0: done" in said and "teacher.s0" not in said  # flow changes nothing for networks that see RGB
    report = kdpipe(tmp_path, "report", *flow)
    assert "student, distilled, RGB + flow" in report.stdout and "student alone, flow" in report.stdout
    good = predict_says_of_files_what_the_evaluation_says(tmp_path, "student.kd + flow", flow, "--modality", "both")
    predict_says_of_files_what_the_evaluation_says(tmp_path, "student.alone.flow", flow, "--network", "student.alone.flow")
    model = Path(kdpipe(tmp_path, "open", "student.alone.flow.s0", *flow).stdout.strip()) / "model.safetensors"
    taken = (*flow, "--set", f"student.alone.flow.checkpoint={model}")
    done = kdpipe(tmp_path, "run", "evaluate", *taken)
    assert done.returncode == 0 and "student.alone.flow.s0: done" in done.stdout + done.stderr, done.stderr
    predict_says_of_files_what_the_evaluation_says(tmp_path, "student.kd + flow", taken, "--modality", "both")
    bad = list(bad_files(tmp_path.with_name("bad"), good).values())
    only_these_fail(kdpipe(tmp_path, "predict", *map(str, bad), str(good), "--json", "--modality", "both", *flow), bad, good)


def predict_says_of_files_what_the_evaluation_says(
    store: Path, model: str = "student.kd", settings: tuple[str, ...] = (), *words: str
) -> Path:
    """Of all clips that are scored; returns one."""
    world, index, evaluation = (Path(kdpipe(store, "open", node, *settings).stdout.strip()) for node in ("world", "index", "evaluate.s0"))
    rows = [json.loads(line) for line in (evaluation / "predictions.jsonl").read_text().splitlines()]
    theirs = {row["item"]: row["prediction"] for row in rows if row["model"] == model}
    media = [json.loads(line) for line in (index / "media.jsonl").read_text().splitlines()]
    files = {str(world / row["path"]): theirs[row["id"]] for row in media if row["id"] in theirs}
    done = kdpipe(store, "predict", *files, "--json", *settings, *words)
    assert done.returncode == 0, done.stderr
    assert {row["file"]: row["classes"][0]["name"] for row in map(json.loads, done.stdout.splitlines())} == files and len(files) > 10
    return Path(next(iter(files)))
