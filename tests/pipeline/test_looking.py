"""The verbs that look at the store: ``status``, ``plan``, ``ls``, ``show``, ``open``. They show damage, and change nothing."""

import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.members import Members
from cache.store import Store
from cache.timings import Timing, Timings
from pipeline.picture import Box, Picture, arranged, dot, svg

ALL = 15  # nodes of the toy graph


def rows(house, verb: str, *arguments: str) -> dict[str, dict]:
    """The JSON answer of a verb, by node."""
    return {row["node"]: row for row in json.loads(house.run(verb, "--json", *arguments).stdout)}


def line(house, verb: str, node: str, *arguments: str) -> str:
    """The line of a table that speaks of a node."""
    (found,) = [line for line in house.run(verb, *arguments).stdout.splitlines() if node in line.split()[:2]]
    return found


def damage(house, node: str) -> str:
    """Flip one value in a node's record; returns its key."""
    store = Store(house.store)
    key = store.ref("world", "videoqa", node)
    path = store.action_path(key)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"stage": "', b'"stage": "x'))
    return key


# -- status ---------------------------------------------------------------------------------------------------------------


def test_status_ends_with_the_command_that_makes_everything_fresh(house) -> None:
    house.computed("extract")
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    last = house.run("status").stdout.splitlines()[-1]
    assert last.startswith("next: kdpipe run report ")
    house.run(*shlex.split(last.removeprefix("next: kdpipe ")))
    after = house.run("status").stdout
    assert set(house.status().values()) == {"fresh"} and "next:" not in after


def test_status_shows_who_computes_a_stage_and_since_when(house) -> None:
    house.computed("index")
    run = house.start("run", "sample", "--set", "sample.pause=1")
    try:
        deadline = time.time() + 20
        while str(run.pid) not in (row := rows(house, "status")["sample"])["reason"] and time.time() < deadline:
            pass
    finally:
        run.kill()
        run.communicate()
    assert row["status"] == "running" and re.fullmatch(r"process \d+ \(since \d\d:\d\d:\d\d\)", row["reason"])
    assert rows(house, "status")["sample"]["status"] == "missing", "a killed run does not run any more"


def test_status_shows_the_first_line_of_a_failure(house, videos: Path) -> None:
    (videos / "d.txt").write_text("broken")
    house.run("run", "sample", "--dataset", "files", code=1)
    shown = line(house, "status", "sample", "--dataset", "files")
    assert "failed" in shown and shown.endswith("lost 1 of 4 items (1 empty), more than its tolerance of 0.0%") and "d.txt" not in shown


def test_an_accepted_result_is_shown_by_itself_and_by_everything_below(house) -> None:
    house.finish()
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 1 + 1")
    house.run("accept", "extract.motion", "--because", "one and one is two")
    house.computed()
    found = rows(house, "status")
    assert {row["status"] for row in found.values()} == {"fresh"}
    assert found["extract.motion"]["accepted"]["because"] == "one and one is two"
    using = sorted(node for node, row in found.items() if row["uses_accepted"] == ["extract.motion"])
    below = [n for n in found if n.split(".")[0] in ("teacher", "student", "evaluate", "report")]
    assert using == sorted(below)
    text = house.run("status").stdout
    assert "accepted: because one and one is two" in text and text.count("uses an accepted result of extract.motion") == len(below)


def test_results_made_from_old_inputs_are_flagged(house) -> None:
    house.finish()
    house.edit("models/net.py", "str(len(text) * WIDTH)", "str(WIDTH * len(text))")
    house.edit("systems/videoqa/train.py", "repr(ctx.params)", "repr(ctx.params) + 'x'")
    house.run("distill", "--stage", "teacher", "--allow-stale")
    house.computed()
    assert "made from old results of extract.appearance, extract.motion" in line(house, "status", "teacher.s0")
    assert rows(house, "status")["student.kd.s0"]["uses_stale"] == ["teacher.s0"]
    assert rows(house, "status")["student.alone.s0"]["uses_stale"] == []


@pytest.mark.parametrize("node", ["sample", "evaluate.s0"])
def test_a_damaged_record_is_one_row_of_the_table(house, node: str) -> None:
    house.finish()
    damage(house, node)
    found = rows(house, "status")
    assert len(found) == ALL and found[node]["status"] == "damaged" and found["world"]["status"] == "fresh"
    shown = line(house, "status", node)
    assert "damaged" in shown and "kdpipe fsck" in shown
    assert house.run("status").stdout.splitlines()[-1] == "next: kdpipe fsck --repair"
    assert node in rows(house, "plan")
    house.run("fsck", "--repair", code=1)
    house.computed()
    assert set(house.status().values()) == {"fresh"}


def test_a_damaged_last_record_of_a_waiting_stage_is_shown(house) -> None:
    house.finish()
    damage(house, "evaluate.s0")
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    assert rows(house, "status")["evaluate.s0"]["status"] == "damaged"


def test_a_damaged_ref_is_one_row_of_the_table(house) -> None:
    house.finish()
    ref = Store(house.store).ref_path("world", "videoqa", "evaluate.s0")
    ref.write_bytes(b"\xb4" + ref.read_bytes()[1:])
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    assert rows(house, "status")["evaluate.s0"]["reason"] == "the ref of evaluate.s0 names no key; kdpipe fsck"
    assert "the ref of evaluate.s0 names no key" in house.run("why", "evaluate.s0").stdout
    assert len(json.loads(house.run("plan", "--json").stdout)) == 11


def test_a_stage_that_reads_a_damaged_one_names_the_way_out(house) -> None:
    house.finish()
    damage(house, "sample")
    error = house.run("extract", code=1).stderr
    assert "sample" in error and "damaged" in error and "kdpipe fsck --repair" in error


# -- plan -----------------------------------------------------------------------------------------------------------------


def test_a_plan_names_reasons_and_what_a_waiting_stage_waits_for(house) -> None:
    house.finish()
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    text = house.run("plan").stdout
    assert "code: models/net.py" in text and "waits for extract.appearance and 1 more" in text
    assert "at most ~" in text.splitlines()[-1]
    assert [row["node"] for row in json.loads(house.run("plan", "--json").stdout)][:2] == ["extract.appearance", "extract.motion"]


def test_a_plan_does_not_promise_what_nobody_has_timed(house) -> None:
    text = house.run("plan").stdout
    assert "~" not in text and "nothing is known of how long they take" in text
    assert {row["estimate_s"] for row in rows(house, "plan").values()} == {None}


def log(house, *timings: Timing) -> None:
    """Replace the log of timings."""
    path = house.store / "memo" / "timings.log"
    path.unlink(missing_ok=True)
    for timing in timings:
        Timings(path).add(timing)


def test_estimates_prefer_the_same_node_here_then_elsewhere_then_its_stage(house) -> None:
    here, there = ("world", "videoqa"), ("files", "videoqa")
    log(house, Timing("world", *here, 9.0), Timing("world", *here, 7.0), Timing("world", *there, 1.0), Timing("questions", *there, 5.0),
        Timing("teacher.s7", *here, 10.0), Timing("teacher.s8", *here, 20.0), Timing("teacher.s9", *there, 60.0))  # fmt: skip
    found = {node: row["estimate_s"] for node, row in rows(house, "plan").items()}
    assert (found["world"], found["questions"], found["teacher.s0"], found["index"]) == (7.0, 5.0, 20.0, None)
    last, footnote = house.run("plan").stdout.splitlines()[-2:]
    assert footnote.startswith("* as it took for another dataset")
    assert "7.0 s  " in line(house, "plan", "world") and "5.0 s* " in line(house, "plan", "questions")
    assert "at most ~52 s one after the other" in last, "7 + 5 + 20 + 20"
    assert "~32 s at best in parallel" in last and "nothing is known of 11 of them" in last


def test_an_estimate_counts_only_the_items_that_are_new(house, videos: Path) -> None:
    house.computed("sample", "--dataset", "files")
    log(house, Timing("sample", "files", "videoqa", 300.0, 3, 3), Timing("sample", "files", "videoqa", 9.0, 3, 0))
    (videos / "d.txt").write_text("video d")
    waiting = rows(house, "plan", "sample", "--dataset", "files")["sample"]
    assert (waiting["status"], waiting["estimate_s"]) == ("waits", 300.0)
    house.run("run", "index", "--dataset", "files")
    log(house, Timing("sample", "files", "videoqa", 300.0, 3, 3))
    assert rows(house, "plan", "sample", "--dataset", "files")["sample"]["estimate_s"] == 100.0
    everything = rows(house, "plan", "sample", "--dataset", "files", "--set", "sample.num_clips=9")
    assert everything["sample"]["estimate_s"] == 400.0, "four videos now"


def test_an_estimate_from_another_dataset_is_scaled_to_the_items_of_this_one(house, videos: Path) -> None:
    house.run("run", "index", "--dataset", "files")
    log(house, Timing("sample", "world", "videoqa", 80.0, 8, 8))
    assert rows(house, "plan", "sample", "--dataset", "files")["sample"]["estimate_s"] == 30.0


# -- ls -------------------------------------------------------------------------------------------------------------------


def test_ls_lists_what_is_current_and_all_lists_the_rest(house) -> None:
    house.computed("sample")
    house.computed("sample", "--set", "sample.num_clips=9")
    assert sorted(rows(house, "ls")) == ["index", "sample", "world"]
    everything = json.loads(house.run("ls", "--all", "--json").stdout)
    assert sorted((row["node"], *row["states"]) for row in everything) == [
        ("index", "current"), ("sample", "current"), ("sample", "old"), ("world", "current"),
    ]  # fmt: skip
    last = house.run("ls").stdout.splitlines()[-1]
    assert last.startswith("3 results, ") and "1 more in the store" in last
    assert len(json.loads(house.run("ls", "--all", "--json", "--dataset", "files").stdout)) == 4
    assert json.loads(house.run("ls", "--json", "--dataset", "files").stdout) == []


def test_ls_knows_parents_and_children(house) -> None:
    house.finish()
    found = rows(house, "ls")
    assert found["sample"]["parents"] == [found["index"]["key"], found["world"]["key"]]
    assert set(found["sample"]["children"]) == {found["extract.appearance"]["key"], found["extract.motion"]["key"]}
    assert set(rows(house, "ls", "--parents", "sample")) == {"index", "world"}
    assert set(rows(house, "ls", "--children", found["sample"]["key"][:10])) == {"extract.appearance", "extract.motion"}
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 1 + 1")
    house.run("accept", "extract.motion", "--because", "one and one is two")
    after = rows(house, "ls")["extract.motion"]
    assert after["key"] != found["extract.motion"]["key"] and after["children"] == found["extract.motion"]["children"] != []
    tree = [row[14:] for row in house.run("ls", "--tree", "extract.motion").stdout.splitlines()[1:]]
    assert [re.match(r" *\S+", row)[0] for row in tree[:5]] == ["extract.motion", "  index", "    world", "  sample", "    index"]
    assert "(see above)" in tree[4]


def test_ls_chooses_by_stage_and_sorts(house) -> None:
    house.finish()
    assert set(rows(house, "ls", "--stage", "extract")) == {"extract.appearance", "extract.motion"}
    sizes = [row["size"] for row in json.loads(house.run("ls", "--sort", "size", "--json").stdout)]
    ages = [row["created"] for row in json.loads(house.run("ls", "--sort", "age", "--json").stdout)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) > 3
    assert ages == sorted(ages, reverse=True)


def test_ls_shows_pins_wherever_they_were_made(house) -> None:
    house.computed("index")
    house.run("pin", "index", "--as", "paper")
    assert list(rows(house, "ls", "--dataset", "files")) == ["index"]
    assert rows(house, "ls", "--pins")["index"]["pins"] == ["paper"]
    assert "pinned (paper)" in line(house, "ls", "index")


def test_a_damaged_pin_is_a_note(house) -> None:
    house.computed("index")
    house.run("pin", "index", "--as", "paper")
    (pin,) = (house.store / "pins").iterdir()
    pin.write_text(pin.read_text().replace("paper", "pager"))
    assert "fsck" in house.run("ls").stderr
    key = rows(house, "ls")["index"]["key"]
    assert json.loads(house.run("show", key[:8], "--json").stdout)["digest"] == key
    assert "fsck" in house.run("show", "paper", code=1).stderr


def test_ls_shows_damage_and_loss_as_rows(house) -> None:
    house.computed("sample")
    damage(house, "index")
    store = Store(house.store)
    shutil.rmtree(store.object_path(store.record(store.ref("world", "videoqa", "sample")).object))
    found = rows(house, "ls")
    assert found["index"]["states"] == ["current", "damaged"] and found["index"]["damage"]
    assert found["sample"]["states"] == ["current", "object gone"]
    assert "fsck --repair" in house.run("ls", "--all").stdout


# -- show and open --------------------------------------------------------------------------------------------------------


def test_show_finds_a_result_by_node_pin_and_key(house) -> None:
    house.computed("sample")
    house.run("pin", "sample", "--as", "camera ready")
    key = rows(house, "status")["sample"]["key"]
    answers = [json.loads(house.run("show", name, "--json").stdout) for name in ("sample", "camera ready", key[:6], key)]
    assert all(answer == answers[0] for answer in answers) and answers[0]["digest"] == key
    assert {"key", "object", "files", "stale_inputs"} <= set(answers[0])


def test_show_tells_where_a_result_came_from_and_where_it_went(house) -> None:
    house.computed("extract")
    found = rows(house, "ls")
    text = house.run("show", "sample").stdout
    for word in (
        found["index"]["key"][:12],
        found["extract.motion"]["key"][:12],
        "num_clips = 4",
        "rows.json",
        "4 ok",
        " modules from stages.sample.run:run",
        "python ",
    ):
        assert word in text, word
    assert "stages/sample/helper.py" not in text
    assert "stages/sample/helper.py" in house.run("show", "sample", "--code").stdout


def test_an_ambiguous_key_lists_what_it_may_be(house) -> None:
    house.computed("sample")
    keys = [row["key"] for row in rows(house, "ls").values()]
    twin = keys[0][:8] + ("1" if keys[0][8] == "0" else "0") * 56
    (Store(house.store).action_path(twin)).write_text("{}")
    error = house.run("show", keys[0][:7], code=1).stderr
    assert "2 keys begin with" in error and keys[0][:16] in error and twin[:16] in error
    assert "no node, no pin" in house.run("show", keys[1][:5], code=1).stderr
    assert "no key begins with" in house.run("show", "0" * 60, code=1).stderr
    assert "did you mean 'sample'?" in house.run("show", "smaple", code=1).stderr


def test_open_prints_a_path_that_holds_what_was_published(house) -> None:
    house.computed("sample")
    directory = Path(house.run("open", "sample").stdout.strip())
    path = Path(house.run("open", "sample", "rows.json").stdout.strip())
    assert path == directory / "rows.json" and json.loads(path.read_text()).keys() == {"0.txt", "1.txt", "2.txt", "3.txt"}
    assert "did you mean 'rows.json'?" in house.run("open", "sample", "row.json", code=1).stderr
    assert "there is no file" in house.run("open", "sample", "../manifest.json", code=1).stderr


def test_open_refuses_a_damaged_file(house) -> None:
    house.computed("sample")
    path = Path(house.run("open", "sample", "rows.json").stdout.strip())
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"0.txt", b"9.txt"))
    refused = house.run("open", "sample", "rows.json", code=1)
    assert "is damaged" in refused.stderr and refused.stdout == ""
    house.run("open", "sample")
    assert "is damaged" in house.run("open", "sample", "--verify", code=1).stderr


def test_open_launches_the_systems_viewer(house) -> None:
    house.computed("index")
    viewer = house.root / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text(f'#!/bin/sh\necho "$1" > "{house.root}/opened"\n')
    viewer.chmod(0o755)
    house.environment["PATH"] = f"{viewer.parent}:{house.environment['PATH']}"
    path = house.run("open", "index", "index.json", "--launch").stdout.strip()
    deadline = time.time() + 10
    while not (house.root / "opened").exists() and time.time() < deadline:
        time.sleep(0.02)
    assert (house.root / "opened").read_text().strip() == path


# -- the picture ----------------------------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text: str) -> tuple[dict[str, str], set[tuple[str, str]]]:
    """The boxes (id -> status) and edges of an SVG."""
    root = ElementTree.fromstring(text)
    assert not list(root.iter(f"{SVG}script")), "no script"
    boxes = {group.get("data-id"): group.get("data-status") for group in root.iter(f"{SVG}g") if group.get("class") == "box"}
    edges = {(path.get("data-parent"), path.get("data-child")) for path in root.iter(f"{SVG}path") if path.get("class") == "edge"}
    return boxes, edges


def test_the_picture_of_the_graph_shows_every_node_with_its_status(house) -> None:
    house.finish()
    house.edit("systems/videoqa/evaluate.py", '"|"', '"||"')
    boxes, edges = drawn(house.run("ls", "--graph", "svg").stdout)
    assert boxes == house.status()
    assert {("sample", "extract.motion"), ("world", "sample"), ("evaluate.s1", "report")} <= edges and len(edges) == 34


def test_the_picture_of_a_result_shows_what_it_was_made_from(house) -> None:
    house.finish()
    keys = {row["node"]: row["key"] for row in rows(house, "ls").values()}
    boxes, edges = drawn(house.run("ls", "--graph", "svg", "extract.motion").stdout)
    assert set(boxes) == {keys[name] for name in ("world", "index", "sample", "extract.motion")}
    assert (keys["sample"], keys["extract.motion"]) in edges and len(edges) == 5
    text = house.run("ls", "--graph", "dot", "extract.motion").stdout
    assert text.count(" -> ") == 5 and all(f'"{key}"' in text for key in boxes)


HOSTILE = ['a"b', "a\\", "<&>", "a\nb", "]; evil [", "\x1b[31m", "é", "\\n", "--", 'a\\"b']


def test_hostile_names_stay_text() -> None:
    picture = Picture(tuple(Box(n, (n, "x"), n) for n in HOSTILE), tuple(itertools.pairwise(HOSTILE)))
    boxes, edges = drawn(svg(picture))
    assert len(boxes) == len(HOSTILE) and len(edges) == len(HOSTILE) - 1
    text = dot(picture)
    quoted = re.findall(r'"(?:[^"\\]|\\.)*"', text)
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', "", text)
    assert '"' not in bare and "evil" not in bare and bare.count("[") == bare.count("]") == len(HOSTILE) + 1
    assert bare.count("{") == bare.count("}") == 1 and text.count("\n") == len(picture.boxes) + len(picture.edges) + 4
    assert len(quoted) >= 4 * len(HOSTILE)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 14), st.data())
def test_boxes_never_overlap_and_children_stand_below(count: int, data: st.DataObject) -> None:
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    chosen = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    boxes = tuple(Box(str(n), ("x" * data.draw(st.integers(0, 30)), "y"), "fresh") for n in range(count))
    picture = Picture(boxes, tuple((str(a), str(b)) for a, b in chosen))
    places, bends = arranged(picture)
    assert set(places) == {box.id for box in boxes} and set(bends) == set(picture.edges)
    for a, b in itertools.combinations(places.values(), 2):
        assert a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
    for (parent, child), points in bends.items():
        assert places[parent].y + places[parent].height < places[child].y
        heights = [y for _, y in points]
        assert heights == sorted(heights)
        for (x, y), (_, below) in itertools.pairwise(points):  # an upright piece within a layer must not cross a box
            if below - y == places[parent].height and x == _:
                assert not any(p.x < x < p.x + p.width and p.y == y for p in places.values())


def test_a_picture_of_a_circle_ends() -> None:
    boxes, edges = drawn(svg(Picture((Box("a", ("a",), ""), Box("b", ("b",), "")), (("a", "b"), ("b", "a"), ("a", "a")))))
    assert set(boxes) == {"a", "b"} and len(edges) == 2


# -- all of them ----------------------------------------------------------------------------------------------------------

VERBS = (["status"], ["plan"], ["why", "report"], ["ls", "--all"], ["ls", "--graph", "svg"], ["show", "sample"], ["open", "sample"])


def test_looking_changes_nothing_in_the_store(house) -> None:
    house.computed("sample")
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")

    def content() -> dict[str, bytes]:
        files = [p for p in house.store.rglob("*") if p.is_file() and "memo" not in p.relative_to(house.store).parts]
        return {str(p): p.read_bytes() for p in files}

    before = content()
    for verb in VERBS:
        house.run(*verb)
    assert content() == before


def test_looking_imports_nothing_heavy(house) -> None:
    house.computed("sample")
    probe = "import sys; sys.argv = ['kdpipe', *{!r}]\ntry:\n    from pipeline.cli import main; main()\nexcept SystemExit: pass\n"
    probe += "heavy = {{'torch', 'av', 'h5py', 'pandas', 'numpy', 'matplotlib'}} & set(sys.modules); assert not heavy, heavy"
    for verb in VERBS:
        done = subprocess.run(
            [sys.executable, "-c", probe.format(verb)], cwd=house.root, env=house.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, (verb, done.stderr)


def test_members_of_a_damaged_list_are_none(tmp_path: Path) -> None:
    (tmp_path / "m").write_bytes(Members({"a": ("", "1")}).dump())
    assert len(Members.read(tmp_path / "m", "0" * 64)) == 0
