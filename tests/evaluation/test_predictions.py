"""Predictions as a table: every row of every evaluation, in csv and in Parquet alike."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas
import pytest

from models.evaluation.files import Prediction, write_evaluation
from models.evaluation.predictions import keeps, write_csv, write_parquet
from tests.report.conftest import evaluation

SAID = [
    Prediction("teacher", "q1", 'a "quoted", one', "b\nc", {"question": ["who", "is"], "fold": 7}, kind="who", top=(("b\nc", 0.5),)),
    Prediction("teacher", "q2", ["a", "b"], None, {"video_id": 3}),
    Prediction("student.kd", "q1", "\udc80", "x", right=True, parts=(("x", 0.5, 2.0),), found=(("x", 0.5, 1.5, 0.75, True),)),
]


@pytest.fixture
def evaluations(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for seed in (0, 5):
        found[f"evaluate.s{seed}"] = tmp_path / f"s{seed}"
        found[f"evaluate.s{seed}"].mkdir()
        write_evaluation(found[f"evaluate.s{seed}"], replace(evaluation(seed, 0), fold="2"), predictions=SAID)
    return found


def test_every_row_of_every_evaluation_is_there_in_csv(evaluations: dict[str, Path]) -> None:
    file = io.BytesIO()
    assert write_csv(file, evaluations) == 6
    file.seek(0)
    table = pandas.read_csv(file, keep_default_na=False)
    assert table.evaluation.tolist() == ["evaluate.s0"] * 3 + ["evaluate.s5"] * 3 and table.seed.tolist() == [0] * 3 + [5] * 3
    first, second, third = (row for _, row in table.iloc[:3].iterrows())
    assert (first.answer, first.prediction, first.kind, first.fold, first.split) == (SAID[0].answer, "b\nc", "who", 2, "test")
    assert json.loads(first.top) == [["b\nc", 0.5]] and json.loads(first.question) == ["who", "is"]
    assert first["item"] == "q1" and first["about.fold"] == "7", "what is known of an item hides no column"
    assert (json.loads(second.answer), second.prediction, second.right, second.video_id) == (["a", "b"], "", False, "3")
    assert (third.network, third.answer, third.right) == ("student.kd", "\\udc80", True)
    assert (json.loads(third.parts), json.loads(third.found)) == ([["x", 0.5, 2.0]], [["x", 0.5, 1.5, 0.75, True]]) and first.parts == ""


def test_parquet_holds_the_same_with_types(evaluations: dict[str, Path], tmp_path: Path) -> None:
    files = {"csv": io.BytesIO(), "parquet": io.BytesIO()}
    assert write_csv(files["csv"], evaluations) == write_parquet(files["parquet"], evaluations) == 6
    for file in files.values():
        file.seek(0)
    table, text = pandas.read_parquet(files["parquet"]), pandas.read_csv(files["csv"], dtype=str, keep_default_na=False)
    assert table.right.dtype == bool and table.seed.dtype == "int64" and pandas.isna(table.prediction[1])
    assert table.columns.tolist() == text.columns.tolist()
    assert table.fillna("").astype(str).values.tolist() == text.values.tolist()


def test_an_evaluation_without_predictions_keeps_none(evaluations: dict[str, Path]) -> None:
    place = evaluations["evaluate.s0"]
    assert keeps(place)
    (place / "predictions.jsonl").unlink()
    assert not keeps(place)
