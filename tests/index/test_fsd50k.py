"""FSD50K as its authors publish it: sounds with several labels, a vocabulary without a header, and tables that are wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cache.errors import DataError
from cache.stage import Context
from stages.index import IndexParams
from stages.index.fsd50k import TABLES, read
from stages.index.run import run
from stages.index.sources import sources
from tests.index.conftest import lines

Make = Callable[..., Context]
TRUTH = "FSD50K.ground_truth"
DEV = 'fname,labels,mids,split\n64760,"Electric_guitar,Guitar","/m/02sgy,/m/0342h",train\n16399,Rain,/m/06mb1,val\n'
EVAL = 'fname,labels,mids\n37199,"Guitar,Rain","/m/0342h,/m/06mb1"\n'
VOCABULARY = "0,Electric_guitar,/m/02sgy\n1,Guitar,/m/0342h\n2,Rain,/m/06mb1\n"
SOUNDS = ["FSD50K.dev_audio/16399.wav", "FSD50K.dev_audio/64760.wav", "FSD50K.eval_audio/37199.wav"]


@pytest.fixture
def fsd(tmp_path: Path) -> Path:
    """Three sounds."""
    root = tmp_path / "fsd"
    for folder in (TRUTH, "FSD50K.dev_audio", "FSD50K.eval_audio"):
        (root / folder).mkdir(parents=True)
    for name, text in (("dev", DEV), ("eval", EVAL), ("vocabulary", VOCABULARY)):
        (root / TRUTH / f"{name}.csv").write_text(text)
    for path in SOUNDS:
        (root / path).write_text(path)
    return root


def test_development_and_evaluation_are_indexed_as_they_lie(fsd: Path, make_context: Make) -> None:
    ctx = make_context(fsd, layout="fsd50k")
    run(ctx)
    media = [(row["id"], row["path"], row["splits"]) for row in lines(ctx.out / "media.jsonl")]
    assert media == [("64760", SOUNDS[1], ["train"]), ("16399", SOUNDS[0], ["val"]), ("37199", SOUNDS[2], ["test"])]
    said = {row["video_id"]: row["classes"] for row in lines(ctx.out / "annotations.jsonl")}
    assert said == {"64760": ["Electric_guitar", "Guitar"], "16399": ["Rain"], "37199": ["Guitar", "Rain"]}
    about = json.loads((ctx.out / "dataset.json").read_text())
    assert about["classes"] == ["Electric_guitar", "Guitar", "Rain"] and about["streams"] == ["audio"]
    assert about["annotations"] == {"train": 1, "val": 1, "test": 1}


def test_a_sound_without_a_file_is_missing_and_a_stranger_is_no_source(fsd: Path, make_context: Make) -> None:
    (fsd / SOUNDS[0]).unlink()
    (fsd / "FSD50K.dev_audio" / "stranger.txt").write_text("")
    assert list(sources(IndexParams(layout="fsd50k"), fsd)) == [*TABLES, *SOUNDS[1:]]
    ctx = make_context(fsd, layout="fsd50k")
    run(ctx)
    assert [(entry.id, entry.state) for entry in ctx.ledger.lost()] == [("16399", "missing")]


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_is_not_there_is_named(table: str, fsd: Path) -> None:
    (fsd / table).unlink()
    with pytest.raises(DataError, match=f"{table} is not there"):
        read(fsd)


@pytest.mark.parametrize(
    ("table", "row", "says"),
    [
        ("dev", "../1,Rain,/m/06mb1,train", "line 4: column 'fname': expected a number, found '../1'"),
        ("dev", "1.wav,Rain,/m/06mb1,train", "line 4: column 'fname': expected a number"),
        ("dev", "1,Rain,/m/06mb1,test", "line 4: column 'split': expected train or val, found 'test'"),
        ("dev", "1,Rain", "line 4: column 'split': expected train or val, found ''"),
        ("dev", "1,Snow,/m/1,train", f"line 4: column 'labels': 'Snow' is not in {TRUTH}/vocabulary.csv"),
        ("dev", '1,"Rain,",/m/1,train', "line 4: column 'labels': '' is not in"),
        ("dev", '1,"Rain,Rain",/m/1,train', "line 4: column 'labels': a label stands twice in 'Rain,Rain'"),
        ("eval", "1,,", "line 3: column 'labels' is empty"),
        ("eval", "1,rain,/m/06mb1", "line 3: column 'labels': 'rain' is not in"),
        ("vocabulary", "4,Snow,/m/1", "line 4: expected the number 3, found '4'"),
        ("vocabulary", "3,,/m/1", "line 4: expected a label, found ''"),
        ("vocabulary", '3,"Snow,Ice",/m/1', "line 4: expected a label, found 'Snow,Ice'"),
        ("vocabulary", "3,Rain,/m/1", "line 4: the label 'Rain' stands there twice"),
        ("vocabulary", "3,Snow", "line 4: expected 3 fields, found 2"),
        ("vocabulary", '3,"Snow', "line 4: unexpected end of data"),
    ],
)
def test_a_wrong_row_is_named(table: str, row: str, says: str, fsd: Path) -> None:
    path = fsd / TRUTH / f"{table}.csv"
    path.write_text(f"{path.read_text()}{row}\n")
    with pytest.raises(DataError) as caught:
        read(fsd)
    assert f"{TRUTH}/{table}.csv, {says}" in caught.value.message


def test_a_vocabulary_with_a_header_or_nothing_in_it_is_refused(fsd: Path) -> None:
    path = fsd / TRUTH / "vocabulary.csv"
    path.write_text(f"index,label,mid\n{VOCABULARY}")
    with pytest.raises(DataError, match="line 1: expected the number 0, found 'index'"):
        read(fsd)
    path.write_text("")
    with pytest.raises(DataError, match=r"vocabulary.csv is empty"):
        read(fsd)


def test_a_sound_of_both_parts_is_refused(fsd: Path, make_context: Make) -> None:
    path = fsd / TRUTH / "eval.csv"
    path.write_text(f"{EVAL}16399,Rain,/m/06mb1\n")
    with pytest.raises(DataError, match=r"1 id\(s\) of files stand twice:\n    '16399'"):
        run(make_context(fsd, layout="fsd50k"))
