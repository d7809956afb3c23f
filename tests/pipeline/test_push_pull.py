"""Sharing results, as commands: push, pull, upstream."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.test_runner import ALL


def listing(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path.relative_to(root)): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}


def rows(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines())


@pytest.fixture
def team(house) -> Path:
    """A directory that everything was pushed to; the local store is gone."""
    house.finish()
    team = house.root.parent / "team"
    house.run("push", str(team))
    shutil.rmtree(house.store)
    return team


def test_what_was_pushed_is_pulled_and_then_nothing_is_left_to_run(house, team: Path) -> None:
    told = rows(house.run("pull", str(team)).stdout)
    assert sorted(told) == ALL and all(line.startswith("pulled ") for line in told.values())
    assert house.run("plan").stdout == "nothing to run: everything is fresh\n"
    assert house.computed() == [] and house.worked() == []
    assert set(rows(house.run("pull", str(team)).stdout).values()) == {"here already"}


def test_a_second_push_sends_nothing(house) -> None:
    house.finish()
    first = json.loads(house.run("push", "../team", "--json").stdout)
    assert (first["records"], first["refs"], first["there"]) == (15, 15, 0) and first["shards"] == 1 and first["size"] > 0
    before = listing(house.root.parent / "team" / "objects")
    second = json.loads(house.run("push", "../team", "--json").stdout)
    assert {**second, "there": 0} == {**dict.fromkeys(first, 0), "gone": [], "damaged": []} and second["there"] == 15
    assert listing(house.root.parent / "team" / "objects") == before


def test_a_target_brings_what_it_was_made_from_and_no_more(house) -> None:
    house.finish()
    house.run("push", "../team", "extract.motion")
    house.environment["KDPIPE_STORE"] = str(house.root.parent / "team")
    status = house.status()
    assert sorted(name for name, state in status.items() if state == "fresh") == ["extract.motion", "index", "sample", "world"]


def test_there_must_be_something_to_push(house) -> None:
    assert "no result to push" in house.run("push", "../team", code=1).stderr
    house.run("run", "index")
    assert "sample was never made" in house.run("push", "../team", "sample", code=1).stderr
    assert not (house.root.parent / "team").exists()


def test_dry_runs_write_nothing(house, team: Path) -> None:
    before = listing(team)
    shown = rows(house.run("pull", str(team), "--dry-run").stdout)
    assert shown["world"].startswith("would pull") and shown["index"] == "waits for world"
    assert not (house.store / "objects").exists() and not (house.store / "refs").exists()
    house.run("run", "index")
    (house.root.parent / "new").mkdir()
    assert "would push" in house.run("push", "../new", "--dry-run").stdout
    assert not list((house.root.parent / "new").iterdir())
    assert listing(team) == before


def test_pull_takes_what_is_wanted_now_and_names_what_is_not_there(house, team: Path) -> None:
    house.edit("configs/systems/videoqa.world.yaml", "kd_alpha: 0.5", "kd_alpha: 0.7")
    told = rows(house.run("pull", str(team)).stdout)
    assert told["teacher.s0"].startswith("pulled ")
    assert told["student.kd.s0"] == "not there: kdpipe run would compute it"
    assert told["evaluate.s0"] == "waits for student.kd.s0"
    assert house.computed() == ["evaluate.s0", "evaluate.s1", "report", "student.kd.s0", "student.kd.s1"]


def test_pull_by_ref_brings_others_results_without_calling_them_fresh(house, team: Path) -> None:
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    told = rows(house.run("pull", str(team), "--ref").stdout)
    assert all(line.startswith("pulled ") for line in told.values()) and sorted(told) == ALL
    status = house.status()
    assert status["extract.motion"] == "stale" and status["sample"] == "fresh"
    assert "models/net.py" in house.run("why", "extract.motion").stdout


def test_objects_that_are_gone_or_damaged_here_are_pulled_back(house, team: Path) -> None:
    house.run("pull", str(team))
    shown = {name: json.loads(house.run("show", name, "--json").stdout) for name in ("sample", "questions")}
    shutil.rmtree(Path(shown["sample"]["files"]).parent)
    damaged = Path(shown["questions"]["files"]) / "q"
    damaged.chmod(0o644)
    damaged.write_text("x")
    told = rows(house.run("pull", str(team)).stdout)
    assert sorted(name for name, line in told.items() if line.startswith("gone or damaged here: pulled")) == ["questions", "sample"]
    assert house.computed() == [] and damaged.read_text() == "questions"


def test_a_damaged_result_there_is_refused_and_the_rest_arrives(house, team: Path) -> None:
    record = next(path for path in (team / "actions").rglob("*.json") if json.loads(path.read_text())["record"]["node"] == "questions")
    path = team / "objects" / (digest := json.loads(record.read_text())["record"]["object"])[:2] / digest / "files" / "q"
    path.chmod(0o644)
    path.write_text("questionz")
    done = house.run("pull", str(team), code=1)
    told = rows(done.stdout)
    assert told["questions"] == "damaged there" and told["sample"].startswith("pulled ") and told["teacher.s0"] == "waits for questions"
    assert f"object {digest[:12]} is damaged: q" in done.stderr and "kdpipe fsck --repair" in done.stderr
    assert house.status()["questions"] == "missing"


def test_items_stay_behind_when_asked_and_come_later(house, team: Path) -> None:
    house.run("pull", str(team), "--no-items")
    assert not (house.store / "items").exists() and house.run("plan").stdout.startswith("nothing to run")
    told = rows(house.run("pull", str(team)).stdout)
    assert told["sample"].startswith("pulled ") and set(told.values()) - {told["sample"]} == {"here already"}
    assert list((house.store / "items" / "sample").rglob("*.items"))


def test_push_all_takes_other_settings_and_pins_too(house) -> None:
    house.finish()
    house.run("run", "report", "--set", "student.kd_alpha=2")
    house.run("pin", "report", "--as", "paper")
    some = json.loads(house.run("push", "../some", "--json").stdout)
    every = json.loads(house.run("push", "../every", "--all", "--json").stdout)
    assert every["records"] > some["records"] and (every["pins"], some["pins"]) == (1, 0)
    house.run("push", "../every", "report", "--all", code=2)


def test_upstream_is_taken_instead_of_computing_and_never_written_to(house, team: Path) -> None:
    before = listing(team)
    house.environment["KDPIPE_UPSTREAM"] = str(team)
    done = house.run("run", "report")
    assert done.stderr.count("taken from upstream") == 15 and ": done in" not in done.stderr
    assert house.worked() == []
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    assert "sample" not in house.computed("extract") and house.worked() == []
    assert listing(team) == before


def test_rows_of_upstream_are_used_and_only_new_ones_computed(house, videos: Path) -> None:
    house.run("run", "sample", "--dataset", "files")
    house.run("push", "../team", "sample", "--dataset", "files")
    shutil.rmtree(house.store)
    (videos / "d.txt").write_text("video d")
    before = listing(house.root.parent / "team")
    assert house.computed("sample", "--dataset", "files", "--upstream", "../team") == ["index", "sample"]
    assert house.worked() == ["d.txt"]
    assert listing(house.root.parent / "team") == before


def test_an_upstream_that_cannot_be_reached_stops_a_run_and_no_question(house) -> None:
    house.environment["KDPIPE_UPSTREAM"] = "../nowhere"
    told = house.run("run", "world", code=1).stderr
    assert "nowhere is no store" in told and "kdpipe push PLACE " in told
    house.run("plan")
    assert set(house.status().values()) == {"missing", "waits"}


def test_a_url_works_like_a_directory(house) -> None:
    pytest.importorskip("fsspec")
    house.run("run", "report")
    url = f"file://{house.root.parent}/team"
    house.run("push", url)
    shutil.rmtree(house.store)
    done = house.run("run", "sample", "--upstream", url)
    assert done.stderr.count("taken from upstream") == 3 and house.worked() == []
    house.run("pull", url)
    assert house.run("plan").stdout == "nothing to run: everything is fresh\n" and house.computed() == []


@pytest.mark.long
def test_killed_pushes_and_pulls_are_finished_by_running_them_again(house) -> None:
    house.finish()
    for place, command in (("../team", "push"), (str(house.store), "pull")):
        for k in (20, 150, 120):
            environment = {**house.environment, "KDPIPE_FAULT": f"kill:{k}"}
            argv = [sys.executable, "-m", "pipeline", command, "../team"]
            assert subprocess.run(argv, cwd=house.root, env=environment, capture_output=True).returncode == -9
        house.run(command, "../team")
        if command == "push":
            shutil.rmtree(house.store)
        assert (house.root / place / "format.json").exists()
    assert house.computed() == []
    house.run("fsck", "--all")


def test_push_imports_nothing_heavy_to_say_what_it_does(house) -> None:
    for verb in ("push", "pull"):
        code = f"import sys; sys.argv = ['kdpipe', {verb!r}, '--help']\n"
        code += "try:\n    from pipeline.cli import main; main()\nexcept SystemExit: pass\n"
        code += "heavy = {'torch', 'numpy', 'h5py', 'av', 'fsspec'} & set(sys.modules); assert not heavy, heavy"
        done = subprocess.run([sys.executable, "-c", code], cwd=house.root, env=house.environment, capture_output=True, text=True)
        assert done.returncode == 0 and "REMOTE" in done.stdout, done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_upstream_will_do(house, team: Path) -> None:
    subprocess.run(["chmod", "-R", "a-w", str(team)], check=True)
    house.environment["KDPIPE_UPSTREAM"] = str(team)
    assert house.computed() == []
