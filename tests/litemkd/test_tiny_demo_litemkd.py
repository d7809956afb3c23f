"""From drawn clips to accuracies with the real commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.predict.bad_files import bad_files, only_these_fail
from tests.report.test_html import data
from tests.tiny_demo import kdpipe_for

COLUMNS = ("teacher", "expert.rgb", "expert.flow", "expert.skeleton", "student.kd", "student.rgb", "student.alone")
kdpipe = kdpipe_for("litemkd", "tinyactions", "seeds=1", "timing.repeats=1", "timing.way=2", "timing.shot=1")


@pytest.mark.long
def test_the_demo_runs_from_drawing_to_the_report_and_then_does_nothing(drawn: Path, tmp_path: Path) -> None:
    shutil.copytree(drawn, tmp_path, symlinks=True, dirs_exist_ok=True)
    done = kdpipe(tmp_path, "run", "report")
    assert done.returncode == 0 and "world: running" not in done.stderr, done.stderr
    shown = kdpipe(tmp_path, "report")
    assert shown.returncode == 0, shown.stderr
    assert "4-way 3-shot" in shown.stdout
    directory = Path(kdpipe(tmp_path, "open", "evaluate.s0").stdout.strip())
    found = "".join(path.read_text(encoding="utf-8") for path in directory.iterdir() if path.suffix in (".json", ".jsonl"))
    assert all(f'"{name}' in found for name in COLUMNS)
    assert kdpipe(tmp_path, "plan", "report", "--make").stdout == ""
    the_page_shows_every_modality_side_by_side(tmp_path)
    predict_tells_folders_of_examples_apart(tmp_path)
    more = kdpipe(tmp_path, "plan", "report", "--set", "student.kd.temperature=2", "--json")
    planned = {row["node"] for row in json.loads(more.stdout)}
    assert {name for name in planned if name.startswith(("student", "expert", "teacher", "dump"))} == {"student.kd.s0"}


def the_page_shows_every_modality_side_by_side(store: Path) -> None:
    page = store.with_name("page")
    kdpipe(store, "report", "--html", str(page))
    shown = data(page / "index.html", "page_0")
    assert {frozenset(names.split(", ")) for names in shown["seen"]} == {frozenset(("RGB", "flow", "skeleton"))}
    assert all((page / "previews" / name).is_file() for name in shown["preview"])


def predict_tells_folders_of_examples_apart(store: Path) -> None:
    """Three classes, of two and three examples each; a text among them is said to be none, and the clips are answered."""
    folders = sorted(path for path in (Path(kdpipe(store, "open", "world").stdout.strip()) / "UCF-101").iterdir())[:3]
    support = store.with_name("support")
    asked = []
    for place, folder in enumerate(folders):
        *examples, last = sorted(folder.iterdir())
        (support / folder.name).mkdir(parents=True)
        for example in examples[: 2 + place % 2]:
            (support / folder.name / example.name).symlink_to(example)
        asked.append(str(last))
    (support / folders[0].name / "text.mp4").write_text("no video")
    done = kdpipe(store, "predict", *asked, "--support", str(support), "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [Path(row["file"]).name for row in rows if "error" in row] == ["text.mp4"], done.stderr
    said = {row["file"]: row["classes"] for row in rows if "classes" in row}
    assert list(said) == asked and all({one["name"] for one in own} == {folder.name for folder in folders} for own in said.values())
    for network in ("teacher", "expert.flow"):
        done = kdpipe(store, "predict", *asked, "--support", str(support), "--network", network, "--json")
        known = [json.loads(line) for line in done.stdout.splitlines()]
        assert {row["file"]: len(row["classes"]) for row in known if "classes" in row} == dict.fromkeys(asked, 3), done.stderr
    bad = list(bad_files(store.with_name("bad"), Path(asked[0])).values())
    (support / folders[0].name / "text.mp4").unlink()
    only_these_fail(kdpipe(store, "predict", *map(str, bad), asked[0], "--support", str(support), "--json"), bad, Path(asked[0]))
    refused = kdpipe(store, "predict", *asked)
    assert refused.returncode == 1 and "--support DIR" in refused.stderr
