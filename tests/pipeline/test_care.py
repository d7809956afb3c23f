"""fsck, gc, pins, verified reads, full disks and waiting, as commands."""

import json
import re
import time
from pathlib import Path

import pytest


def result(house, node: str, *arguments: str) -> Path:
    return Path(json.loads(house.run("show", node, "--json", *arguments).stdout)["files"])


def spoil(path: Path) -> None:
    """Flip a bit, and keep rights and size."""
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(mode)


def test_damage_is_named_repaired_by_a_rerun_of_just_that_and_the_result_is_the_same(house) -> None:
    house.finish()
    before = house.run("report").stdout
    spoil(result(house, "extract.motion") / "feature")
    assert "0 damaged" in house.run("fsck").stdout  # structure only
    told = house.run("fsck", "--all", code=1).stdout
    assert "its content is not what was published" in told and "kdpipe run extract.motion --dataset world --system videoqa" in told
    told = house.run("fsck", "--all", "--repair", code=1).stdout
    assert "put aside: quarantine/" in told
    assert "its result was removed from the store" in house.run("plan").stdout
    assert house.computed() == ["extract.motion"]
    assert house.run("fsck", "--all").returncode == 0
    assert house.run("report").stdout == before


def test_a_damaged_row_costs_that_row(house) -> None:
    house.finish()
    (shard,) = (house.store / "items" / "sample").glob("*/*.items")
    data = bytearray(shard.read_bytes())
    data[-1] ^= 1
    shard.write_bytes(data)
    answer = json.loads(house.run("fsck", "--all", "--json", code=1).stdout)
    assert [finding["items"] for finding in answer["damage"]] == [["3.txt"]]
    house.run("fsck", "--all", "--repair", code=1)
    house.computed()
    assert house.worked() == ["0.txt", "1.txt", "2.txt", "3.txt", "3.txt"]
    assert house.run("fsck", "--all").returncode == 0
    assert set(house.status().values()) == {"fresh"}


@pytest.mark.parametrize("room", ["actions", "refs", "memo"])
def test_losing_a_whole_room_of_the_store_loses_no_work_that_can_be_kept(house, room: str) -> None:
    import shutil

    house.computed()
    before = house.run("report").stdout
    shutil.rmtree(house.store / room)
    house.run("fsck", "--all", "--repair", code=1 if room == "actions" else 0)
    house.computed()
    assert house.run("report").stdout == before
    assert len(house.worked()) == 4  # the rows were still there
    assert house.run("fsck", "--all").returncode == 0


def test_a_verified_run_refuses_what_rotted(house) -> None:
    house.finish()
    spoil(result(house, "extract.motion") / "feature")
    house.edit("systems/videoqa/train.py", "repr(ctx.params)", "repr(ctx.params) + 'x'")
    error = house.run("distill", "--stage", "teacher", "--verify", code=1).stderr
    assert "damaged: feature" in error and "kdpipe fsck --repair" in error
    house.run("distill", "--stage", "teacher")  # sizes are right


def test_gc_shows_first_and_keeps_what_is_pinned(house) -> None:
    house.computed("report", "--set", "student.kd_alpha=2")
    house.run("pin", "report", "--as", "../first try", "--because", "to compare", "--set", "student.kd_alpha=2")
    house.computed("report", "--set", "student.kd_alpha=3")
    house.computed()
    assert "nothing to remove" in house.run("gc").stdout  # everything is young, and among the last three
    told = house.run("gc", "--keep", "0", "--grace", "0").stdout
    assert "would go" in told
    assert house.run("gc", "--keep", "0", "--grace", "0").stdout == told
    removed = json.loads(house.run("gc", "--keep", "0", "--grace", "0", "--yes", "--json").stdout)
    assert sum(r["kind"] == "record" for r in removed["rubbish"]) == 5  # report, 2 students, 2 evaluations of the middle run
    assert house.run("fsck", "--all").returncode == 0
    assert house.run("plan", "report", "--make").stdout == ""
    assert house.computed("report", "--set", "student.kd_alpha=2") == []
    assert len(house.computed("report", "--set", "student.kd_alpha=3")) == 5
    house.computed()
    house.run("unpin", "../first try")
    house.run("gc", "--keep", "0", "--grace", "0", "--yes")
    assert len(house.computed("report", "--set", "student.kd_alpha=2")) == 5
    assert "there is no pin" in house.run("unpin", "../first try", code=1).stderr


def test_a_pin_names_one_result(house) -> None:
    assert "never made" in house.run("pin", "report", code=1).stderr
    house.computed()
    assert "several results" in house.run("pin", "student", code=1).stderr
    house.run("pin", "report")
    house.computed("report", "--set", "student.kd_alpha=2")
    assert "pins another result already" in house.run("pin", "report", "--set", "student.kd_alpha=2", code=1).stderr


def test_a_full_disk_is_a_clear_error_and_the_next_run_completes(house) -> None:
    house.computed("sample")
    clean = house.run("run", "report") and house.run("report").stdout
    for step in (1, 9, 20, 33, 47, 60):
        house.environment["KDPIPE_STORE"] = str(house.root / f"store{step}")
        house.environment["KDPIPE_FAULT"] = f"enospc:{step}"
        error = house.run("run", "report", code=1).stderr
        assert "No space left on device" in error and "kdpipe gc" in error and "Traceback" not in error
        del house.environment["KDPIPE_FAULT"]
        house.run("fsck", "--all")
        house.run("run", "report")
        assert house.run("report").stdout == clean
        assert house.run("fsck", "--all").returncode == 0


def test_who_computes_what_is_shown_and_the_second_run_waits_for_it_or_does_something_else(house) -> None:
    house.computed("index")
    first = house.start("run", "sample", "--set", "sample.pause=0.5")
    deadline = time.monotonic() + 30
    while house.status().get("sample") != "running" and time.monotonic() < deadline:
        time.sleep(0.05)
    row = next(row for row in json.loads(house.run("status", "--json").stdout) if row["node"] == "sample")
    assert row["status"] == "running" and f"process {first.pid}" in json.dumps(row)
    second = house.run("run", "sample", "questions", "--set", "sample.pause=0.5").stderr
    assert re.search(rf"sample: process {first.pid} \(since .*\) is computing the same result; waiting for it", second)
    assert second.index("questions: done") < second.index("waiting for it")
    assert "sample: done" not in second
    assert first.wait(30) == 0
    assert len(house.worked()) == 4


def test_a_stage_that_loads_code_behind_the_back_of_its_key_is_refused(house) -> None:
    (house.root / "models" / "hidden.py").write_text("VALUE = 1\n")
    house.edit("models/net.py", "WIDTH = 2", 'import importlib\nWIDTH = importlib.import_module("models." + "hid" + "den").VALUE')
    error = house.run("run", "features", code=1).stderr
    assert "loaded models.hidden, which its key does not see" in error and "modules=" in error
    assert house.status()["extract.appearance"] != "fresh"
