"""Accepting an old result after an edit: bound to the new key, shown wherever it is used, undone."""

import json

EDIT = ("models/net.py", "WIDTH = 2", "WIDTH = int(2.5)")


def test_an_accepted_result_is_fresh_and_nothing_after_it_runs(house) -> None:
    house.finish()
    before = json.loads(house.run("show", "extract.motion", "--json").stdout)["object"]
    house.edit(*EDIT)
    assert house.status()["extract.motion"] == "stale"
    house.run("accept", "extract", "--because", "int(2.5) is 2")
    assert set(house.status().values()) == {"fresh"}
    assert house.computed() == []
    assert json.loads(house.run("show", "extract.motion", "--json").stdout)["object"] == before


def test_what_was_accepted_is_shown_wherever_it_is_used(house) -> None:
    house.finish()
    house.edit(*EDIT)
    house.run("accept", "extract.motion", "extract.appearance", "--because", "int(2.5) is 2")
    assert "int(2.5) is 2" in house.run("status").stdout
    rows = {row["node"]: row for row in json.loads(house.run("status", "--json").stdout)}
    assert "int(2.5) is 2" in json.dumps(rows["extract.motion"]) and "extract.motion" in json.dumps(rows["report"])
    assert "int(2.5) is 2" not in json.dumps(rows["questions"])
    for verb in (("report",), ("report", "--json"), ("show", "extract.motion"), ("why", "extract.motion")):
        assert "int(2.5) is 2" in house.run(*verb).stdout, verb


def test_it_can_be_undone(house) -> None:
    house.finish()
    house.edit(*EDIT)
    house.run("accept", "extract", "--because", "int(2.5) is 2")
    house.run("accept", "extract", "--undo")
    assert house.status()["extract.motion"] == "stale"
    assert "int(2.5) is 2" not in house.run("status").stdout
    assert house.run("fsck", "--all").returncode == 0
    assert house.computed() == ["extract.appearance", "extract.motion"]  # equal bytes stop there


def test_undoing_reaches_every_dataset_that_met_the_same_key(house) -> None:
    (house.root / "configs/datasets/twin.yaml").write_text((house.root / "configs/datasets/world.yaml").read_text())
    house.computed()
    house.edit(*EDIT)
    house.run("accept", "extract", "--because", "int(2.5) is 2")
    assert house.computed("features", "--dataset", "twin") == []
    house.run("accept", "extract", "--undo")
    assert house.run("fsck", "--all").returncode == 0


def test_rows_of_an_accepted_item_stage_are_used_when_videos_are_added(house, videos) -> None:
    house.computed("sample", "--dataset", "files")
    assert len(house.worked()) == 3
    house.edit("stages/sample/helper.py", "FACTOR = 1", "FACTOR = int(1.5)")
    house.run("accept", "sample", "--because", "the same number", "--dataset", "files")
    assert house.computed("sample", "--dataset", "files") == []
    (videos / "d.txt").write_text("video d")
    house.computed("sample", "--dataset", "files")
    assert house.worked()[3:] == ["d.txt"]
    house.run("gc", "--yes", "--keep", "0", "--grace", "0")
    assert house.run("fsck", "--all").returncode == 0
    (videos / "e.txt").write_text("video e")
    house.computed("sample", "--dataset", "files")
    assert house.worked()[4:] == ["e.txt"]


def test_what_cannot_be_accepted_is_an_error_that_says_why(house) -> None:
    assert "no old result" in house.run("accept", "world", "--because", "x", code=1).stderr
    house.computed()
    house.edit(*EDIT)
    assert "--because" in house.run("accept", "extract", code=1).stderr
    error = house.run("accept", "teacher", "--because", "x", code=1).stderr
    assert "waits for extract" in error
    assert "nothing to accept" in house.run("accept", "sample", "--because", "x").stdout
    assert "nothing was accepted" in house.run("accept", "sample", "--undo").stdout


def test_a_damaged_result_is_not_accepted(house) -> None:
    house.finish()
    files = json.loads(house.run("show", "extract.motion", "--json").stdout)["files"]
    from pathlib import Path

    path = Path(files) / "feature"
    path.chmod(0o644)
    path.write_text("")
    house.edit(*EDIT)
    assert "damaged" in house.run("accept", "extract.motion", "--because", "x", code=1).stderr
