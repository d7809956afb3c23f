"""``kdpipe why`` names what changed, down to the function, the video and the file, and what a waiting node waits for."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from cache.record import Key, Record
from cache.store import Store
from pipeline import why
from pipeline.text import age_text, line_text, time_text


def lines(house, *arguments: str) -> list[str]:
    """What `why` says of one node, without its first line."""
    return [line.strip() for line in house.run("why", *arguments).stdout.splitlines()[1:]]


def components(house, *arguments: str) -> list[dict]:
    (row,) = json.loads(house.run("why", "--json", *arguments).stdout)
    return row["components"]


def rewrite(house, node: str, **changes: object) -> None:
    """Change what a record says for people; its key stays."""
    store = Store(house.store)
    record = store.record(store.ref("world", "videoqa", node))
    path = store.action_path(record.digest)
    path.unlink()
    path.write_bytes(dataclasses.replace(record, **changes).dump())


def test_a_parameter_is_named_with_both_values(house) -> None:
    house.computed("sample")
    assert lines(house, "sample", "--set", "sample.num_clips=16") == ["param num_clips 4 → 16"]
    (found,) = components(house, "sample", "--set", "sample.num_clips=16")
    assert (found["component"], found["name"], found["old"], found["new"]) == ("param", "num_clips", 4, 16)


def test_code_is_named_down_to_what_changed_came_and_went(house) -> None:
    house.edit(
        "models/net.py", "WIDTH = 2", "WIDTH = 2\n\ndef unused():\n    return 0\n\nclass Net:\n    def forward(self):\n        return 1\n"
    )
    house.computed("extract")
    house.edit("models/net.py", "def unused():\n    return 0", "def helper():\n    return 0")
    house.edit("models/net.py", "return 1", "return 2")
    (house.root / "models/more.py").write_text("MORE = 1\n")
    house.edit("models/net.py", "WIDTH = 2", "from models import more\nWIDTH = 2")
    said = lines(house, "extract.motion")
    assert "code: models/more.py is newly used" in said
    assert "code: models/net.py::helper added" in said
    assert "code: models/net.py::unused removed" in said
    (changed,) = [line for line in said if "net.py" in line and line.endswith("changed")]
    assert "Net.forward" in changed and "feature" not in changed


def test_a_changed_constant_is_named_with_both_values(house) -> None:
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 2\nNAMES = {'a': 1}\nGONE = 1")
    house.computed("extract")
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    assert lines(house, "extract.motion") == ["code: models/net.py::WIDTH 2 → 3 changed"]
    (found,) = components(house, "extract.motion")
    assert found["details"] == ["WIDTH"]
    house.edit("models/net.py", "GONE = 1", "NEW = 1")
    house.edit("models/net.py", "'a': 1", "'a': 2")
    assert lines(house, "extract.motion") == [
        "code: models/net.py::NAMES, WIDTH 2 → 3 changed", "code: models/net.py::NEW added", "code: models/net.py::GONE removed",
    ]  # fmt: skip
    house.edit("models/net.py", "NEW = 1", "NEW = 1\nif WIDTH:\n    LATER = 1")
    assert "code: models/net.py::(top level), NAMES, WIDTH 2 → 3 changed" in lines(house, "extract.motion")


def test_a_record_that_knows_no_constants_names_the_top_level(house) -> None:
    house.computed("extract")
    record = Store(house.store).record(Store(house.store).ref("world", "videoqa", "extract.motion"))
    old = {module: {n: d for n, d in found.items() if not n.startswith("=")} for module, found in record.definitions.items()}
    rewrite(house, "extract.motion", definitions=old)
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    assert lines(house, "extract.motion") == ["code: models/net.py::(top level) changed"]


def test_a_module_that_is_no_longer_used_is_named(house) -> None:
    house.computed("sample")
    house.edit("stages/sample/run.py", "from stages.sample import helper", "class helper:\n    work = str.upper")
    assert "code: stages/sample/helper.py is no longer used" in lines(house, "sample")


def test_a_package_is_named_by_its_init_file() -> None:
    assert why.module_file("models", ["models", "models.net"]) == "models/__init__.py"
    assert why.module_file("models.net", ["models", "models.net"]) == "models/net.py"


@pytest.fixture
def extracted(house, videos: Path) -> Path:
    """Four raw files, sampled and extracted; `sample` notes what each of its items is."""
    (videos / "e.txt").write_text("video e")
    house.computed("extract", "--dataset", "files")
    return videos


def test_the_videos_that_changed_came_and_went_are_counted_and_named(house, extracted: Path) -> None:
    (extracted / "a.txt").unlink()
    (extracted / "b.txt").write_text("another b")
    (extracted / "d.txt").write_text("video d")
    assert lines(house, "index", "--dataset", "files") == ["raw files: 1 of 4 changed (b.txt), 1 new (d.txt), 1 gone (a.txt)"]
    house.run("run", "sample", "--dataset", "files")
    said = lines(house, "extract.appearance", "--dataset", "files")
    assert "input sample: 1 of 4 videos changed (b.txt), 1 new (d.txt), 1 gone (a.txt)" in said
    assert "input index: index.json changed; raw files: 1 of 4 changed (b.txt), 1 new (d.txt), 1 gone (a.txt)" in said
    found = {c["name"]: c for c in components(house, "extract.appearance", "--dataset", "files")}
    assert found["sample"]["details"] == ["b.txt", "d.txt", "a.txt"]


def test_new_videos_alone_are_counted(house, extracted: Path) -> None:
    for name in "pqrs":
        (extracted / f"{name}.txt").write_text(f"video {name}")
    assert lines(house, "index", "--dataset", "files") == ["raw files: 4 new (p.txt, q.txt, r.txt, …), of 8 now"]


def test_an_item_computed_anew_with_equal_content_is_no_change_of_a_video(house, extracted: Path) -> None:
    house.edit("stages/sample/run.py", "members.add(name, digest,", "members.add(name, 'another row ' + digest,")
    house.edit("stages/sample/helper.py", "text.upper() * FACTOR", "text.upper() * (2 if 'video b' in text else 1)")
    house.run("run", "sample", "--dataset", "files")
    assert lines(house, "extract.motion", "--dataset", "files") == ["input sample: 1 of 4 videos changed (b.txt)"]


def test_a_drawn_world_is_compared_file_by_file(house) -> None:
    house.computed("index")
    house.run("run", "world", "--set", "world.videos=5")
    assert lines(house, "index", "--set", "world.videos=5") == ["input world: 4.txt changed"]


def test_an_external_file_is_named_with_both_digests(house) -> None:
    glove = house.root / "glove.txt"
    glove.write_text("a 1")
    setting = ("--set", f"questions.glove_file={glove}")
    house.computed("questions", *setting)
    glove.write_text("a 2")
    (line,) = lines(house, "questions", *setting)
    assert line.startswith("file glove_file changed (sha256 ") and line.count("…") == 2 and "→" in line


def test_the_device_is_named_as_keyed(house) -> None:
    house.computed("extract")
    assert "environment: device cpu → cuda (keyed)" in lines(house, "extract.motion", "--device", "cuda")


def test_versions_are_notes_when_something_else_differs_or_when_asked_for(house) -> None:
    house.computed("sample")
    rewrite(house, "sample", versions={"torch": "1.0", "peak_rss_mb": "1"})
    assert lines(house, "sample") == []
    asked = lines(house, "sample", "-v")
    assert any(line.startswith("note: torch 1.0 → ") and line.endswith("(recorded, not keyed)") for line in asked)
    assert not any("peak_rss" in line for line in asked)
    assert any("torch 1.0" in line for line in lines(house, "sample", "--set", "sample.num_clips=9"))


def test_a_node_that_waits_says_which_root_it_waits_for_and_why(house) -> None:
    house.finish()
    house.edit("models/net.py", "len(text) * WIDTH", "len(text) * WIDTH + 1")
    said = lines(house, "teacher.s0")
    assert "waits for extract.motion, which is stale: code: models/net.py::feature changed" in said
    assert "waits for extract.appearance, which is stale: code: models/net.py::feature changed" in said
    deep = lines(house, "report")
    assert any(line.startswith("waits for evaluate.s0, which waits for ") and "models/net.py::feature" in line for line in deep)


def test_a_node_that_waits_says_what_differs_in_itself_too(house) -> None:
    house.finish()
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    said = lines(house, "student.kd.s0", "--set", "student.kd_alpha=7")
    assert "by itself: param kd_alpha 0.5 → 7.0" in said
    assert sum("by itself" in line for line in said) == 1


def test_a_first_run_is_compared_with_the_nearest_result_of_the_stage(house, videos: Path) -> None:
    house.computed("sample")
    house.computed("sample", "--set", "sample.num_clips=9")
    house.run("run", "index", "--dataset", "files")
    said = lines(house, "sample", "--dataset", "files", "--set", "sample.num_clips=9", "--set", "sample.max_lost=0.5")
    assert any("the nearest result of this stage is sample of world/videoqa" in line for line in said)
    assert not any("num_clips" in line for line in said), "num_clips=9 has been seen and is nearer than 4"
    assert "input index: never seen in any result of this stage" in said
    unseen = lines(house, "sample", "--dataset", "files", "--set", "sample.num_clips=77")
    assert "param num_clips 77: never seen in any result of this stage" in unseen


def test_a_stage_without_any_result_says_so(house) -> None:
    assert "no result of this stage was ever made in this store" in lines(house, "world")


def test_a_result_that_lost_its_files_says_so(house) -> None:
    house.computed("sample")
    store = Store(house.store)
    record = store.record(store.ref("world", "videoqa", "sample"))
    shutil.rmtree(store.object_path(record.object))
    assert lines(house, "sample") == ["its result was removed from the store"]
    assert "param num_clips 4 → 5" in lines(house, "sample", "--set", "sample.num_clips=5")


def test_a_damaged_record_is_explained_not_a_crash(house) -> None:
    house.computed("sample")
    store = Store(house.store)
    path = store.action_path(store.ref("world", "videoqa", "sample"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"num_clips": 4', b'"num_clips": 5'))
    said = house.run("why", "sample").stdout
    assert said.startswith("sample: damaged") and "kdpipe fsck --repair" in said
    assert "waits for sample, which is damaged" in house.run("why", "extract.motion").stdout


def test_an_accepted_result_says_so(house) -> None:
    house.computed("sample")
    house.edit("stages/sample/helper.py", "FACTOR = 1", "FACTOR = 1 + 0")
    house.run("accept", "sample", "--because", "plus nothing")
    (line,) = lines(house, "sample")
    assert line.startswith("its result was accepted, not computed: because plus nothing (from ")


def test_a_result_of_old_inputs_says_so(house) -> None:
    house.finish()
    house.edit("models/net.py", "WIDTH = 2", "WIDTH = 3")
    house.edit("systems/videoqa/train.py", "repr(ctx.params)", "repr(ctx.params) + 'x'")
    house.run("distill", "--stage", "teacher", "--allow-stale")
    assert any("made from old results of extract.appearance, extract.motion" in line for line in lines(house, "teacher.s0"))


def test_every_component_of_a_key_has_a_line() -> None:
    old = Key("s", 1, "stages.s.run:run", {"a": 1}, {"m": "1"}, {"i": "1"}, "x", {"f": "1"}, {"device": "cpu"})
    new = Key("s", 2, "stages.s.run:run", {"a": 2}, {"m": "2"}, {"i": "2"}, "y", {"f": "2"}, {"device": "cuda"})
    found = why.differences(Record(old, "object"), new, {})
    assert {c.component for c in found} == {"param", "code", "input", "sources", "file", "environment", "format"}
    assert why.differences(Record(old, "object"), old, {}) == []


def test_values_cannot_break_a_line() -> None:
    assert line_text("a\nb\x1b[31m") == "a\\nb\\x1b[31m"
    assert line_text("é ✓") == "é ✓"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.9, "9.9 s"),
        (9.96, "10 s"),
        (59.96, "1 min"),
        (200, "3 min 20 s"),
        (3599.9, "1 h"),
        (7260, "2 h 1 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_times_are_read_in_two_units(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_ages_are_read_in_one_unit() -> None:
    assert [age_text(s) for s in (-1, 59, 60, 7200, 200000)] == ["0 s", "59 s", "1 min", "2 h", "2 d"]
