"""``kdpipe params``: what is said of every parameter, for every stage of every system."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cache.stage import option
from pipeline.config import names
from pipeline.parameters import Parameter, kind_of, parameters, written
from tests.command import PROJECT, kdpipe, variables


@dataclass(frozen=True)
class Record:
    """One parameter of each kind."""

    how: str = option("plain", "the way", choices=("plain", "fancy"))
    much: float = option(0.5, "a share", above=0, at_most=1, when={"how": ("fancy",)})
    least: int = option(2, "a number", at_least=1, no_more_than="most", multiple_of=2)
    most: int = option(8, "another", at_least=1, unless=({"how": ("plain",), "much": (0.5, 1.0)},))
    parts: tuple[int, ...] = option((1, 2), "a list", at_least=0, distinct=True)
    name: str = option("", "a text", at_most=9, keyed=False)
    rest: float | None = option(None, "null is nothing")


def said(name: str) -> Parameter:
    return next(one for one in parameters(Record) if one.name == name)


def test_what_a_declaration_says_is_said() -> None:
    assert [one.name for one in parameters(Record)] == [f.name for f in dataclasses.fields(Record)]
    assert said("how").choices == ("plain", "fancy") and said("how").meaning == "the way"
    assert (said("much").bounds, said("much").counts) == ("above 0 and at most 1", ("only when how is fancy",))
    assert said("least").bounds == "at least 1, a multiple of 2; no more than most"
    assert said("most").counts == ("not when how is plain and much is 0.5 or 1.0",)
    assert (said("parts").kind, said("parts").bounds) == ("list of whole numbers", "at least 0; nothing twice")
    assert (said("name").bounds, said("name").keyed, said("how").keyed) == ("at most 9 characters", False, True)
    assert (said("rest").kind, said("rest").default) == ("number or null", None)


def test_kinds_and_values_are_as_people_type_them() -> None:
    assert kind_of(bool) == "true or false" and kind_of(tuple[str, ...]) == "list of texts"
    values = [True, None, "", (1, 2), ("rgb",), 1e-4, "kd"]
    assert [written(value) for value in values] == ["true", "null", "''", "[1, 2]", "[rgb]", "0.0001", "kd"]


@pytest.mark.parametrize("system", list(names("systems")))
def test_every_parameter_of_every_stage_has_a_meaning_and_a_known_kind(system: str, tmp_path: Path) -> None:
    for stage in [line.split()[0] for line in kdpipe(tmp_path, "params", "--system", system).stdout.splitlines()]:
        rows = json.loads(kdpipe(tmp_path, "params", stage, "--system", system, "--json").stdout)
        assert rows and {row["stage"] for row in rows} == {stage}
        for row in rows:
            assert (row["meaning"] or row["choices"]) and "<" not in row["kind"], row
            assert not row["choices"] or row["default"] in (*row["choices"], []) or set(row["default"]) <= set(row["choices"]), row


def test_what_is_configured_and_decided_stands_beside_the_default(tmp_path: Path) -> None:
    rows = json.loads(kdpipe(tmp_path, "params", "student", "--json", "--set", "student.kd.kd_alpha=3", "--dataset", "tiny").stdout)
    by_name = {row["name"]: row for row in rows}
    assert by_name["kd_alpha"]["now"] == {"student.kd": 3.0} and by_name["kd_alpha"]["default"] == 1.0
    assert set(by_name["kd_alpha"]["idle"]) == {"student.alone", "student.question"}
    assert by_name["module_dim"]["now"] == dict.fromkeys(("student.alone", "student.kd", "student.question"), 16)
    assert set(by_name["seed"]["decided"]) == {"student.alone", "student.kd", "student.question"} and by_name["seed"]["now"] == {}
    text = kdpipe(tmp_path, "params", "student.kd", "--set", "student.kd.kd_alpha=3", "--dataset", "tiny").stdout
    assert "kd_alpha       1.0   (now 3.0)" in text and "only when kd is features" in text
    assert text.startswith("student: student.kd\n  --set student.kd.NAME=VALUE; train.NAME=VALUE")


def test_a_stage_that_the_system_does_not_use_is_described_and_an_unknown_one_refused(tmp_path: Path) -> None:
    assert "no node of this system" in kdpipe(tmp_path, "params", "derive").stdout
    assert "did you mean 'student'" in kdpipe(tmp_path, "params", "studnt", code=1).stderr


def test_it_imports_nothing_heavy(tmp_path: Path) -> None:
    probe = "import sys; sys.argv = ['kdpipe', 'params', 'student']\nfrom pipeline.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    probe += "heavy = {'torch', 'av', 'h5py', 'numpy.linalg'} & set(sys.modules); assert not heavy, heavy"
    done = subprocess.run([sys.executable, "-c", probe], cwd=PROJECT, env=variables(tmp_path), capture_output=True, text=True)
    assert done.returncode == 0 and "kd_alpha" in done.stdout, done.stderr
