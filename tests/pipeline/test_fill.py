"""``kdpipe fill``: many processes make the rows of one stage, and one run publishes what all of them made."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from cache.items import ItemSet
from cache.ledger import Ledger
from cache.part import Filled, Part, Shard, Survey
from cache.stage import Context, Quiet
from tests.pipeline import test_item_rows as real

ITEMS = ("run", "sample", "--set", "world.videos=40")


def record(house) -> dict[str, Any]:
    return json.loads(house.run("show", "sample", "--json").stdout)


def test_shards_fill_and_a_run_publishes_without_computing(house) -> None:
    house.run("run", "index", "--set", "world.videos=40")
    for shard in ("1/3", "2/3", "3/3"):
        house.run("fill", "sample", "--shard", shard, "--set", "world.videos=40")
        assert house.status("sample", "--set", "world.videos=40")["sample"] == "missing"
    worked = house.worked()
    assert sorted(worked) == sorted(f"{n}.txt" for n in range(40))
    assert house.computed(*ITEMS[1:]) == ["sample"] and house.worked() == worked


def test_a_run_makes_what_nobody_filled(house) -> None:
    house.run("run", "index")
    house.run("fill", "sample", "--shard", "1/2")
    first = house.worked()
    house.run("run", "sample")
    assert 0 < len(first) < 4 and sorted(house.worked()) == ["0.txt", "1.txt", "2.txt", "3.txt"]


def test_filled_rows_and_rows_of_one_run_give_the_same_object(house, tmp_path: Path) -> None:
    house.run(*ITEMS)
    one = record(house)["object"]
    shutil.rmtree(house.store)
    house.run("run", "index", "--set", "world.videos=40")
    house.run("fill", "sample", "--set", "world.videos=40")
    house.run(*ITEMS)
    assert record(house)["object"] == one


def test_a_shard_that_is_filled_twice_does_no_harm(house) -> None:
    house.run("run", "index", "--set", "world.videos=40")
    several = [house.start("fill", "sample", "--shard", "1/1", "--set", "world.videos=40", "--set", "sample.pause=0.02") for _ in range(3)]
    assert [process.wait(60) for process in several] == [0, 0, 0]
    house.run(*ITEMS)
    assert len(house.worked()) > 40
    house.run("fsck", "--all")


def test_fill_needs_finished_inputs_and_says_how_to_get_them(house) -> None:
    told = house.run("fill", "sample", code=1).stderr
    assert "sample reads index, which is missing" in told and "kdpipe run index --dataset world" in told


def test_a_node_without_rows_is_refused_with_those_that_have_some(house) -> None:
    told = house.run("fill", "teacher.s0", code=1).stderr
    assert "teacher.s0 keeps no rows" in told and "nodes that do: sample" in told


def test_a_fresh_node_has_nothing_to_fill(house) -> None:
    house.run("run", "sample")
    worked = house.worked()
    assert "0 rows made" in house.run("fill", "sample").stderr and house.worked() == worked


def test_a_lost_item_is_tried_once_by_all_fills_and_their_run_and_again_by_the_next(house, videos: Path) -> None:
    (videos / "slow.txt").write_text("slow")
    house.run("run", "index", "--dataset", "files")
    for shard in ("1/2", "2/2", "1/2", "2/2"):
        house.run("fill", "sample", "--shard", shard, "--dataset", "files")
    assert house.worked().count("slow.txt") == 1
    told = house.run("run", "sample", "--dataset", "files", code=1).stderr
    assert "slow.txt: timed_out (it took too long)" in told and house.worked().count("slow.txt") == 1
    house.run("run", "sample", "--dataset", "files", "--set", "sample.max_lost=0.5")
    assert house.worked().count("slow.txt") == 2


def test_raw_files_of_earlier_stages_are_not_read_again_by_every_fill(house, videos: Path) -> None:
    house.run("run", "index", "--dataset", "files")
    house.edit("pipeline/judge.py", "LIGHT_BYTES = 32 << 20", "LIGHT_BYTES = 0")
    shutil.rmtree(house.store / "memo")  # as on another machine, with large files
    assert house.status("--dataset", "files")["index"] == "stale"
    house.run("fill", "sample", "--dataset", "files")
    assert sorted(house.worked()) == ["a.txt", "b.txt", "c.txt"]
    assert house.computed("sample", "--dataset", "files") == ["sample"] and len(house.worked()) == 3


def test_an_edit_of_the_stage_makes_other_rows(house) -> None:
    house.run("run", "index")
    house.run("fill", "sample")
    house.edit("stages/sample/helper.py", "FACTOR = 1", "FACTOR = 2")
    house.run("fill", "sample")
    assert len(house.worked()) == 8


def test_the_answer_and_the_plan_can_be_read_by_scripts(house) -> None:
    house.run("run", "index", "--set", "world.videos=40")
    before = json.loads(house.run("plan", "sample", "--shards", "4", "--set", "world.videos=40", "--json").stdout)
    made = json.loads(house.run("fill", "sample", "--shard", "2/4", "--set", "world.videos=40", "--json").stdout)
    after = json.loads(house.run("plan", "sample", "--shards", "4", "--set", "world.videos=40", "--json").stdout)
    (plan,), (one,) = before, made
    assert plan["wanted"] == plan["missing"] == sum(plan["shards"]) == 40
    assert one["rows"] == plan["shards"][1] and after[0]["shards"] == [*plan["shards"][:1], 0, *plan["shards"][2:]]


def test_a_plan_of_shards_computes_and_writes_nothing(house) -> None:
    house.run("run", "index")
    before = sorted(path for path in house.store.rglob("*") if "memo" not in path.parts)
    house.run("plan", "sample", "--shards", "4")
    assert sorted(path for path in house.store.rglob("*") if "memo" not in path.parts) == before and house.worked() == []


def test_status_names_the_shards_that_are_being_filled(house) -> None:
    house.run("run", "index", "--set", "world.videos=4")
    process = house.start("fill", "sample", "--shard", "1/1", "--set", "sample.pause=3")
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and house.status()["sample"] != "filling":
            time.sleep(0.2)
        (row,) = json.loads(house.run("status", "sample", "--json").stdout)
        assert row["status"] == "filling" and row["reason"].startswith(f"shard 1/1 by process {process.pid}")
        assert "sample: others still fill 1/1" in house.run("run", "sample").stderr
    finally:
        process.kill()
        process.wait()
    assert house.status()["sample"] == "fresh"


def killed_at_random(house, kills: int, seed: int) -> None:
    """Eight fills and a run at once; one of them is killed and begun again, so many times."""
    dice = random.Random(seed)
    slow = ("--set", "world.videos=40", "--set", "sample.pause=0.1")
    commands = [("fill", "sample", "--shard", f"{n}/8", *slow) for n in range(1, 9)] + [("run", "sample", *slow)]
    house.run("run", "index", "--set", "world.videos=40")
    running: dict[int, subprocess.Popen] = {n: house.start(*command) for n, command in enumerate(commands)}
    for _ in range(kills):
        time.sleep(dice.uniform(0.05, 0.5))
        number = dice.choice(list(running))
        running[number].kill()
        running[number].wait()
        running[number] = house.start(*commands[number])
    for process in running.values():
        process.wait(120)


def survives(house, kills: int, seed: int) -> None:
    house.run(*ITEMS)
    one = record(house)
    shutil.rmtree(house.store)
    killed_at_random(house, kills, seed)
    house.run(*ITEMS)
    assert record(house)["object"] == one["object"] and record(house)["ledger"] == one["ledger"]
    house.run("fsck", "--all")
    assert set(house.worked()) == {f"{n}.txt" for n in range(40)}


def test_fills_and_a_run_that_are_killed_at_random_give_the_same_result(house) -> None:
    survives(house, kills=8, seed=1)


@pytest.mark.long
def test_fifty_kills_of_eight_fills_and_a_run_give_the_same_result(house) -> None:
    survives(house, kills=50, seed=2)


# -- the real stages, in parts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", sorted(real.TWICE))
def test_every_stage_makes_in_parts_what_it_makes_alone(stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three parts fill the rows, and then nothing is left to compute; what comes out has the bytes of one run alone."""
    whole = real.rows_of

    def in_parts(where: Path, run: Any, params: Any, **given: Any) -> Any:
        there = whole(where, run, params, **given)
        alone = {path.name: path.read_bytes() for path in (where / "out").iterdir()}
        parts = where / "parts"
        (parts / "out").mkdir(parents=True)
        (parts / "scratch").mkdir()
        context = Context(params, parts / "out", parts / "scratch", Ledger(), Quiet, root=where, **given)
        wanted = Survey(parts / "items")
        sets = [wanted, *(Part(parts / "items", shard=Shard(number, 3)) for number in (1, 2, 3))]
        for items in sets:
            with pytest.raises(Filled):
                run(dataclasses.replace(context, items=items))
            items.flush()
        assert len(wanted.todo) >= 2 and [len(list(one.keys())) for one in sets[:1]] == [0]
        last = ItemSet(parts / "items")
        shutil.rmtree(parts / "out")
        (parts / "out").mkdir()
        run(dataclasses.replace(context, items=last))
        assert last.appended == 0
        assert {path.name: path.read_bytes() for path in (parts / "out").iterdir()} == alone
        return there

    monkeypatch.setattr(real, "rows_of", in_parts)
    assert len(list(real.TWICE[stage](tmp_path))) == 2


def test_rows_can_be_counted_by_what_made_them(house) -> None:
    house.run("run", "index")
    house.run("fill", "sample", "--shard", "1/2")
    house.run("run", "sample")
    (made,) = json.loads(house.run("show", "sample", "--rows", "--json").stdout)
    assert made["rows"] == 4 and "device cpu, " in made["made"]
    assert "was not assembled from rows" in house.run("show", "index", "--rows", code=1).stderr


def test_a_store_with_logs_of_shards_is_sound(house) -> None:
    house.run("run", "index")
    (house.store / "logs").mkdir()
    house.run("fsck", "--all")
