"""Values are read by the core rules of YAML 1.2, in files and behind ``--set`` alike; a file's fault is told with its line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import ConfigError
from pipeline import paths
from pipeline.cli.session import default
from pipeline.config import Config, parse_setting
from pipeline.flat_yaml import read_lines, read_value
from pipeline.graph import build

READ = {
    "no": "no", "yes": "yes", "on": "on", "Off": "Off", "y": "y", "true": True, "False": False, "tRUE": "tRUE",
    "010": 10, "-010": -10, "+3": 3, "0x10": "0x10", "0o17": "0o17", "0b1": "0b1", "1_000": "1_000", "1:30": "1:30",
    "1e-4": 1e-4, "1e3": 1000.0, ".5": 0.5, "1.": 1.0, "-.inf": -math.inf, "1:30.5": "1:30.5", "1_0.5": "1_0.5", "inf": "inf", "nan": "nan",
    "~": None, "null": None, "": None, "nil": "nil", "2026-11-28": "2026-11-28", "<<": "<<", "=": "=", "'010'": "010", '"no"': "no",
    "[1, no, 010]": [1, "no", 10], "- 1": [1],
}  # fmt: skip
BAD = [
    "{a: 1}",
    "a: 1",
    "!!int 0x10",
    "!!float 1",
    "!!timestamp 2026-11-28",
    "!x y",
    "*a",
    "[[",
    "%",
    "\ud800",
    "\x00",
    "9" * 5000,
    "[" * 9000,
]


@pytest.mark.parametrize(("text", "value"), READ.items())
def test_a_value_is_what_yaml_1_2_says(text: str, value: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"# first\na.key:\n    {text}\n" if text.startswith("-") else f"# first\na.key: {text}\n")
    assert read_value(text) == parse_setting(f"a.key={text}")[1].value == value
    assert read_lines(tmp_path / "a.yaml") == {"a.key": (value, 2)}


@pytest.mark.parametrize("text", BAD, ids=lambda text: ascii(text[:20]))
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        parse_setting(f"a.key={text}")


def test_not_a_number_is_read_and_left_to_the_range() -> None:
    assert math.isnan(read_value(".nan"))


@given(st.one_of(st.text(), st.text("0123456789_:.xobeE+-~ntrufals[], '\"{}!&*#%@|>\n")))
def test_any_text_is_a_value_or_is_refused(text: str) -> None:
    """A value is of one of these types and no other; an error is short."""
    try:
        values = [read_value(text)]
    except ValueError as error:
        assert len(str(error)) < 2000
        return
    while values:
        value = values.pop()
        assert value is None or type(value) in (bool, int, float, str, list)
        values += value if isinstance(value, list) else []


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KDPIPE_DATASET", "KDPIPE_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "local_config", lambda: tmp_path / "kdpipe.local.yaml")
    return tmp_path / "kdpipe.local.yaml"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\nseeds: 1:30\n", "line 2: seeds = '1:30' must be of type int, at least 1"),
        ("seeds: 0x10\n", "line 1: seeds = '0x10' must be of type int"),
        ("teacher.glove: yes\n", "line 1: teacher.glove = 'yes' must be of type bool, not str\n  write true or false"),
        ("index.name: 007\n", "line 1: index.name = 7 must be of type str, not int\n  in quotes it is text"),
        ("teacher.lr: .nan\n", "line 1: teacher.lr = nan must be above 0 and at most 10"),
        ("teacher.lr: 1_000\n", "line 1: teacher.lr = '1_000' must be of type float"),
        ("teacher.lr_steps: [1, -1]\n", "line 1: teacher.lr_steps = -1 must be at least 0"),
        ("# a\nnonsense: 1\n", "line 2: unknown key 'nonsense'"),
        ("world.layout: x\n", "line 1: world.layout is decided by the graph"),
        ("a: {b: 1}\n", "line 1: 'a' must be a flat 'section.key: value' line"),
        ("a: 1\n\nb: !x 1\n", "line 3: could not determine a constructor"),
        ("a: 1\n1: 1\n", "line 2: '1' must be a flat"),
    ],
)
def test_a_fault_in_a_file_names_the_file_and_the_line(local: Path, text: str, says: str) -> None:
    local.write_text(text)
    with pytest.raises(ConfigError) as refused:
        build(Config("world", "videoqa"))
    assert str(local) in str(refused.value) and says in str(refused.value)


def test_ten_written_with_a_nought_is_ten_and_not_eight(local: Path) -> None:
    local.write_text("seeds: 010\n")
    assert Config("world", "videoqa").seeds == Config("world", "videoqa", ["seeds=010"]).seeds == list(range(10))


@pytest.mark.parametrize(
    "text", ["dataset: no", "dataset:", "dataset: ~", "dataset: false", "dataset: 0", "dataset: ''", "dataset: [world]"]
)
def test_a_dataset_that_is_none_is_never_the_default_in_silence(local: Path, text: str) -> None:
    local.write_text(text)
    with pytest.raises(ConfigError, match="dataset"):
        Config(default("dataset"), "videoqa")


@pytest.mark.parametrize("text", ["system: no", "system:", "system: 1.5"])
def test_a_system_that_is_none_is_never_the_default_in_silence(local: Path, text: str) -> None:
    local.write_text(text)
    with pytest.raises(ConfigError, match="system"):
        Config("world", default("system"))


def test_a_local_file_that_cannot_be_read_is_an_error(local: Path) -> None:
    local.symlink_to("nowhere")
    with pytest.raises(ConfigError, match="No such file"):
        Config("world", "videoqa")
    local.unlink()
    local.mkdir()
    with pytest.raises(ConfigError, match="a directory, not a file"):
        Config("world", "videoqa")
    local.rmdir()
    local.write_bytes("seeds: 1\n".encode("utf-16"))
    with pytest.raises(ConfigError, match="line 1: not UTF-8 text"):
        Config("world", "videoqa")
