"""From drawn untrimmed videos to mAP with the real commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.predict.bad_files import bad_files, only_these_fail
from tests.report.test_html import data
from tests.tiny_demo import kdpipe_for

SIZES = ("train.width=0.0625", "train.frames=32", "train.levels=3", "train.size=24", "arrays.size=28", "train.stride=64")
SMALL = ("world.size=tiny", "seeds=1", "teacher.weights=random", "student.weights=random", "train.epochs=1", "timing.repeats=1", *SIZES)
kdpipe = kdpipe_for("gkd", "thumosworld", *SMALL)


@pytest.mark.long
def test_detection_runs_from_drawing_to_the_report_and_then_does_nothing(tmp_path: Path) -> None:
    done = kdpipe(tmp_path, "run", "report")
    assert done.returncode == 0, done.stderr
    report = kdpipe(tmp_path, "report")
    assert "test mAP, mean over tIoU 0.3 to 0.7 in %" in report.stdout and "student, distilled − student alone" in report.stdout
    assert "2 videos that the ground truth lacks" in report.stdout
    assert kdpipe(tmp_path, "plan", "report", "--make").stdout == ""
    results = Path(kdpipe(tmp_path, "open", "evaluate.s0").stdout.strip()) / "results" / "student.kd.json"
    assert set(json.loads(results.read_text())) == {"version", "results", "external_data"}
    predict_finds_in_files_what_the_evaluation_finds(tmp_path, json.loads(results.read_text())["results"])
    kdpipe(tmp_path, "report", "--html", str(tmp_path / "page"))
    shown = data(tmp_path / "page" / "index.html", "page_0")
    assert all(shown["parts"]) and all(map(all, shown["found"])) and None not in shown["preview"]
    planned = json.loads(kdpipe(tmp_path, "plan", "report", "--set", "evaluate.sigma=0.3", "--json").stdout)
    assert {row["node"] for row in planned} == {"evaluate.s0", "report"}


def predict_finds_in_files_what_the_evaluation_finds(store: Path, results: dict[str, list[dict[str, Any]]]) -> None:
    world, index = (Path(kdpipe(store, "open", node).stdout.strip()) for node in ("world", "index"))
    media = [json.loads(line) for line in (index / "media.jsonl").read_text().splitlines()]
    files = {str(world / row["path"]): row["id"] for row in media if row["id"] in results}
    done = kdpipe(store, "predict", *files, "--json", "--top", "1000000")
    assert done.returncode == 0, done.stderr
    for row in map(json.loads, done.stdout.splitlines()):
        ours = sorted([part["name"], part["score"], part["start"], part["end"]] for part in row["segments"])
        assert ours == sorted([part["label"], part["score"], *part["segment"]] for part in results[files.pop(row["file"])]) and ours
    assert not files
    good = next(world / row["path"] for row in media if row["id"] in results)
    bad = list(bad_files(store.with_name("bad"), good).values())
    only_these_fail(kdpipe(store, "predict", *map(str, bad), str(good), "--json"), bad, good)
