"""What a dataset does not allow is refused as soon as its index says so, and not after hours of training."""

from __future__ import annotations

import pytest

POSSIBLE = """
import json
from cache.errors import DataError

def check(nodes):
    pass

def check_index(nodes, index):
    listed = json.loads((index / "index.json").read_text())
    for node in nodes.values():
        if node.stage.name == "teacher" and node.params.kd_alpha > len(listed):
            raise DataError(f"{node.name} wants more than {len(listed)} videos", hint="--set world.videos=9")
"""
#: more than the four videos that are drawn
TOO_MANY = ("--set", "teacher.kd_alpha=8")


@pytest.fixture
def wary(house):
    """A toy checkout whose system looks at the index; ``kd_alpha`` counts for a teacher there."""
    house.edit("systems/videoqa/__init__.py", 'option(1.0, when={"kd": (True,)})', "option(1.0)")
    (house.root / "systems/videoqa/possible.py").write_text(POSSIBLE)
    return house


def test_a_run_ends_with_the_index(wary) -> None:
    refused = wary.run("run", "report", *TOO_MANY, code=1).stderr
    assert "teacher.s0 wants more than 4 videos" in refused and "world.videos=9" in refused
    assert wary.status()["index"] == "fresh" and wary.worked() == []
    assert wary.computed("report", *TOO_MANY, "--set", "world.videos=9")


def test_it_is_said_at_once_where_the_index_is_there(wary) -> None:
    wary.run("run", "index")
    told = wary.run("plan", *TOO_MANY)
    assert told.stderr.startswith("note: teacher.s0 wants more than 4 videos") and "student.kd.s0" in told.stdout
    for verb in (["plan", "--make"], ["run", "report"], ["run", "teacher"], ["one", "teacher.s0"]):
        assert "wants more than 4 videos" in wary.run(*verb, *TOO_MANY, code=1).stderr


def test_what_is_not_asked_for_and_what_is_fresh_is_let_through(wary) -> None:
    assert "teacher.s0" not in wary.computed("student.alone", *TOO_MANY)
    wary.edit("systems/videoqa/possible.py", "if node.stage.name", "if False and node.stage.name")
    wary.run("run", "teacher", *TOO_MANY)
    wary.edit("systems/videoqa/possible.py", "if False and node.stage.name", "if node.stage.name")
    assert wary.computed("teacher", *TOO_MANY) == []


def test_make_ends_with_the_index_too(wary) -> None:
    rules = wary.rules("report", *TOO_MANY)
    with pytest.raises(AssertionError, match="wants more than 4 videos"):
        wary.make(rules, "all")
    assert wary.worked() == [] and wary.status()["index"] == "fresh"


def test_make_of_another_target_goes_on(wary) -> None:
    wary.make(wary.rules("extract", *TOO_MANY), "all")
    assert len(wary.worked()) == 4
