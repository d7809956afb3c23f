"""An evaluation is read as it was written, and one that contradicts itself is never written."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.errors import DataError
from models.evaluation.files import Prediction, network_curves, read_curves, read_evaluation, read_predictions, write_evaluation
from models.evaluation.record import Column, Cost, Evaluation, Items, Own, Panel, Row, Score, Sort
from models.evaluation.times import Times, Timing

NETWORK = Row("teacher", "the teacher", {"all": Score(0.5, 0.01), "what": Score(0.25)}, 0.4, 0.6, "big", {"flops": 12}, {"C": 1})
WHOLE = Evaluation(
    task="a task",
    metric="accuracy",
    dataset="d",
    split="test",
    seed=3,
    columns=(Column("all"), Column("what", unit="s", digits=2, items=4)),
    items=Items("query", total=9, scored=8, needs="video", many="queries"),
    networks=(NETWORK, replace(NETWORK, name="student")),
    baselines=(Row("chance", "chance", {"all": Score(0.1)}),),
    pairs=(("student", "teacher"),),
    fold="2",
    own=Own(100, "episodes", 0.9),
    costs=(Cost("flops", "MFLOPs", "MFLOPs a query", 1e6, 1),),
    cost_note="a query of six words",
    panels=(Panel("val_accuracy", "accuracy", "%"), Panel("loss", "loss", logarithmic=True)),
    sorts=(Sort("student wrong", ("teacher",), ("student",)), Sort("all wrong", wrong=("teacher", "student"))),
    notes=("a note",),
    flags=("a flag",),
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


def test_an_evaluation_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_evaluation(tmp_path, WHOLE)
    assert read_evaluation(tmp_path) == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]
    assert read_curves(tmp_path) == []


@given(st.dictionaries(st.text(), st.tuples(NUMBERS, st.none() | NUMBERS), min_size=1, max_size=4), st.text(), st.integers())
def test_any_names_and_numbers_come_back(scores: dict[str, tuple[float, float | None]], label: str, seed: int) -> None:
    row = Row("n", label, {name: Score(*score) for name, score in scores.items()})
    said = replace(WHOLE, seed=seed, columns=tuple(map(Column, scores)), networks=(row,), baselines=(), pairs=(), sorts=(), notes=(label,))
    with tempfile.TemporaryDirectory() as folder:
        write_evaluation(Path(folder), said)
        assert read_evaluation(Path(folder)) == said


def test_curves_and_predictions_travel_with_it(tmp_path: Path) -> None:
    (tmp_path / "curves.jsonl").write_text('{"epoch": 0, "loss": 1.5}\n{"epoch": 1, "loss": 0.5}\n')
    out = tmp_path / "out"
    out.mkdir()
    said = [Prediction("teacher", "v1", ["a", "b"], None, {"segment": [0.5, 1.5]})]
    write_evaluation(out, WHOLE, curves=network_curves("teacher", tmp_path), predictions=said)
    assert read_curves(out) == [{"model": "teacher", "epoch": 0, "loss": 1.5}, {"model": "teacher", "epoch": 1, "loss": 0.5}]
    (line,) = (out / "predictions.jsonl").read_text().splitlines()
    assert json.loads(line) == {"model": "teacher", "item": "v1", "answer": ["a", "b"], "prediction": None, "segment": [0.5, 1.5]}


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    said = [
        Prediction("teacher", "v1", "a", "a", {"question": ["who"]}, kind="who", top=(("a", 0.75), ("b", 0.25))),
        Prediction("teacher", "v2", "a", None),
        Prediction("student", "v1", ["a", "b"], "b", right=True),
        Prediction("student", "v2", "a", "a", right=False),
        Prediction(
            "student", "v3", ["a"], "1 of 1", parts=(("a", 0.5, 2.0),), found=(("a", 0.5, 1.5, 0.75, True), ("b", 0, 1, 0.5, False))
        ),
    ]
    write_evaluation(tmp_path, WHOLE, predictions=said)
    assert list(read_predictions(tmp_path)) == said
    assert [one.is_right for one in said] == [True, False, True, False, False]
    (tmp_path / "predictions.jsonl").unlink()
    assert list(read_predictions(tmp_path)) == []


def test_what_is_known_of_an_item_cannot_hide_what_was_said_of_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'kind' of what is known of v1 would be lost"):
        write_evaluation(tmp_path, WHOLE, predictions=[Prediction("teacher", "v1", "a", "a", {"kind": "who"})])


def row(**changes: Any) -> dict[str, Any]:
    return {"networks": (replace(NETWORK, **changes), replace(NETWORK, name="student"))}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (row(scores={"all": Score(float("nan"))}), "the score 'all' of teacher is nan"),
        (row(scores={"all": Score(0.5, float("inf"))}), "the interval of 'all' of teacher is inf"),
        (row(strict=float("nan")), "strict of teacher is nan"),
        (row(costs={"flops": float("inf")}), "a cost of teacher is inf"),
        (row(scores={"what": Score(0.5)}), "teacher has no score in the main column, 'all'"),
        (row(scores={"all": Score(0.5), "whta": Score(0.5)}), r"no 'whta', a column of teacher\n  did you mean 'what'\?"),
        (row(costs={"flop": 1}), r"no 'flop', a cost of teacher\n  did you mean 'flops'\?"),
        (row(name="student"), "the row 'student' twice"),
        ({"columns": (Column("all"), Column("what"), Column("all"))}, "the column 'all' twice"),
        ({"columns": ()}, "has no column"),
        ({"networks": ()}, "has no network"),
        ({"pairs": (("student", "chance"),)}, "no 'chance', a network of a pair"),
        ({"sorts": (Sort("s", right=("techer",)),)}, r"no 'techer', a network of the items 's'\n  did you mean 'teacher'\?"),
        ({"own": None}, "nothing says over what"),
        ({"items": Items("query", total=3, scored=4, many="queries")}, "4 of 3 queries cannot be scored"),
    ],
)
def test_an_evaluation_that_contradicts_itself_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        write_evaluation(tmp_path, replace(WHOLE, **changes))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"model": "techer", "epoch": 0}, r"'techer' is no network of the evaluation\n  did you mean 'teacher'\?"),
        ({"epoch": 0}, "None is no network of the evaluation"),
        ({"model": "teacher"}, "a record of teacher has no 'epoch'"),
        ({"model": "teacher", "epoch": 0, "loss": float("nan")}, "curves.jsonl: .*nan.* holds a number that is none"),
    ],
)
def test_a_curve_that_cannot_be_drawn_is_refused(record: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        write_evaluation(tmp_path, WHOLE, curves=[record])


def test_times_are_read_as_they_were_written(tmp_path: Path) -> None:
    timing = Timing({"teacher": Times(1.5, 0.25)}, batch_size=8, repeats=3, threads=2, device="cpu")
    timing.write(tmp_path)
    assert Timing.read(tmp_path) == timing


def test_reading_an_evaluation_imports_nothing_heavy() -> None:
    code = "import sys, models.evaluation.files, models.evaluation.times, models.evaluation.statistics, models.evaluation.costs\n"
    code += "print(sorted({'torch', 'numpy', 'scipy', 'pandas', 'av'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]"
