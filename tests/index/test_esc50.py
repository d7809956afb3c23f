"""ESC-50 as its authors publish it: sounds, five folds, and tables that are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cache.errors import ConfigError, DataError
from cache.stage import Context
from pipeline.cli import cli
from stages.index import IndexParams
from stages.index.esc50 import read
from stages.index.run import run
from stages.index.sources import sources
from tests.index.conftest import lines

Make = Callable[..., Context]
HEAD = "filename,fold,target,category,esc10,src_file,take\n"
ROWS = [f"{fold}-10{target}-A-{target}.wav,{fold},{target},{name}" for fold in range(1, 6) for target, name in enumerate(("dog", "rain"))]


@pytest.fixture
def esc(tmp_path: Path) -> Path:
    """Two sounds a fold."""
    root = tmp_path / "esc"
    for folder in ("audio", "meta"):
        (root / folder).mkdir(parents=True)
    for row in ROWS:
        (root / "audio" / row.partition(",")[0]).write_text(row)
    (root / "meta" / "esc50.csv").write_text(HEAD + "".join(f"{row},True,1,A\n" for row in ROWS))
    return root


def test_five_folds_are_indexed_as_they_lie(esc: Path, make_context: Make) -> None:
    ctx = make_context(esc, layout="esc50")
    run(ctx)
    media = lines(ctx.out / "media.jsonl")
    assert [(row["id"], row["path"]) for row in media[2:4]] == [("2-100-A-0", "audio/2-100-A-0.wav"), ("2-101-A-1", "audio/2-101-A-1.wav")]
    assert {row["id"][0]: [s for s in row["splits"] if s.endswith("test")] for row in media} == {f"{n}": [f"{n}/test"] for n in range(1, 6)}
    assert all(len(row["splits"]) == 5 for row in media)
    assert [row["classes"] for row in lines(ctx.out / "annotations.jsonl")] == [["dog"], ["rain"]] * 5
    about = json.loads((ctx.out / "dataset.json").read_text())
    assert about["streams"] == ["audio"] and about["classes"] == ["dog", "rain"]
    assert about["annotations"] == {f"{fold}/{part}": n for fold in range(1, 6) for part, n in (("train", 8), ("test", 2))}


def test_a_sound_without_a_file_is_missing(esc: Path, make_context: Make) -> None:
    (esc / "audio" / "1-100-A-0.wav").unlink()
    (esc / "audio" / "stranger.txt").write_text("")
    assert list(sources(IndexParams(layout="esc50"), esc)) == ["meta/esc50.csv", *(f"audio/{row.partition(',')[0]}" for row in ROWS[1:])]
    ctx = make_context(esc, layout="esc50")
    run(ctx)
    assert [(entry.id, entry.state) for entry in ctx.ledger.lost()] == [("1-100-A-0", "missing")]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("../x.wav,1,0,dog", "line 12: column 'filename': expected '<name>.wav', found '../x.wav'"),
        ("x.mp3,1,0,dog", "line 12: column 'filename'"),
        ("x.wav,6,0,dog", "line 12: column 'fold': expected one of 1, 2, 3, 4, 5, found '6'"),
        ("x.wav,1,-1,dog", "line 12: column 'target': expected a number, found '-1'"),
        ("x.wav,1", "line 12: column 'target': expected a number, found ''"),
        ("x.wav,1,0,", "line 12: column 'category' is empty"),
        ("x.wav,1,0,cat", "line 12: target 0 is 'cat' here and 'dog' before"),
        ("x.wav,1,3,cat", "column 'target': no sound has the target 2, and some have a higher one"),
    ],
)
def test_a_wrong_row_is_named(row: str, says: str, esc: Path) -> None:
    table = esc / "meta" / "esc50.csv"
    table.write_text(f"{table.read_text()}{row}\n")
    with pytest.raises(DataError) as caught:
        read(esc)
    assert f"meta/esc50.csv, {says}" in caught.value.message


def test_a_name_that_stands_twice_and_a_category_of_two_targets_are_refused(esc: Path, make_context: Make) -> None:
    table = esc / "meta" / "esc50.csv"
    sound = table.read_text()
    table.write_text(f"{sound}{ROWS[0]},True,1,A\n")
    with pytest.raises(DataError, match=r"1 id\(s\) of files stand twice:\n    '1-100-A-0'"):
        run(make_context(esc, layout="esc50", name="twice"))
    table.write_text(f"{sound}x.wav,1,2,dog,True,1,A\n")
    with pytest.raises(DataError, match=r"1 class\(es\) have no name of their own:\n    'dog'"):
        run(make_context(esc, layout="esc50", name="two"))


def test_it_is_indexed_by_the_command_though_no_system_takes_it(esc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KDPIPE_STORE", str(tmp_path / "store"))
    done = CliRunner().invoke(cli, ["index", "--dataset", "esc50", "--data-root", str(esc)])
    assert done.exit_code == 0 and "index: done" in done.output and "10 ok" in done.output
    done = CliRunner().invoke(cli, ["run", "features", "--dataset", "esc50", "--data-root", str(esc)])
    assert isinstance(done.exception, ConfigError) and "layout 'esc50' of dataset esc50 holds no videos" in done.exception.message
