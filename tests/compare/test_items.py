"""Two networks item by item: who has which right, and which items changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.evaluation.files import Prediction, write_evaluation
from pipeline.compare.items import compare_items
from tests.compare.conftest import TRUTH, said
from tests.report.conftest import evaluation

NAME = "student.kd"


def kept(folder: Path, answers: list[Prediction] | None) -> Path:
    """An evaluation with these answers."""
    folder.mkdir(parents=True)
    write_evaluation(folder, evaluation(0, 0), predictions=answers)
    return folder


def items(folder: Path, *seeds: tuple[list[Prediction] | None, list[Prediction] | None], limit: int = 10) -> Any:
    """Compare what a network says on two sides, seed by seed."""
    pairs = [(kept(folder / f"a{n}", a), kept(folder / f"b{n}", b)) for n, (a, b) in enumerate(seeds)]
    (found,) = compare_items(pairs, [(NAME, NAME)], level=0.95, limit=limit)
    return found


def test_every_item_is_counted_once_by_who_has_it_right(tmp_path: Path) -> None:
    found = items(tmp_path, (said(NAME, ["q0", "q1", "q2"]), said(NAME, ["q0", "q3"])))
    assert found["replicates"] == [{"both": 1, "only_a": 2, "only_b": 1, "neither": 4, "p": 1.0}]
    assert (found["a"], found["b"], found["mean"]) == (3 / 8, 2 / 8, -1 / 8)
    assert (found["items"], found["groups"]) == (8, 4)
    assert found["low"] < 0 == found["high"]  # of four videos one is worse and none better


def test_changed_items_are_told_with_both_answers_and_what_is_known_of_them(tmp_path: Path) -> None:
    changed = items(tmp_path, (said(NAME, ["q0", "q1"]), said(NAME, ["q0", "q3"])))["changed"]
    assert [one["item"] for one in changed["gained"]["shown"]] == ["q3"] and [one["item"] for one in changed["lost"]["shown"]] == ["q1"]
    (lost,) = changed["lost"]["shown"]
    assert (lost["answer"], lost["a"], lost["b"], lost["right_a"], lost["right_b"]) == ("run", ["run"], ["sit"], 1, 0)
    assert lost["about"]["question"] == ["what", "is", "q1"]


def test_another_wrong_answer_is_a_change_of_its_own_kind(tmp_path: Path) -> None:
    other = [replace(one, prediction="lie") if one.item == "q5" else one for one in said(NAME, ["q0"])]
    changed = items(tmp_path, (said(NAME, ["q0"]), other))["changed"]
    assert (changed["gained"]["count"], changed["lost"]["count"], changed["otherwise"]["count"]) == (0, 0, 1)
    assert changed["otherwise"]["shown"][0]["b"] == ["lie"]


def test_items_that_changed_in_most_seeds_come_first_and_the_limit_counts_them_all(tmp_path: Path) -> None:
    none = said(NAME, [])
    found = items(tmp_path, (none, said(NAME, ["q1", "q5"])), (none, said(NAME, ["q5"])), limit=1)
    assert found["changed"]["gained"]["count"] == 2
    assert [(one["item"], one["right_b"]) for one in found["changed"]["gained"]["shown"]] == [("q5", 2)]
    assert found["mean"] == pytest.approx((0.5 + 1) / 8)


def test_an_item_that_neither_could_answer_is_left_out_and_one_that_one_could_not_is_wrong(tmp_path: Path) -> None:
    def silent(answers: list[Prediction], *ids: str) -> list[Prediction]:
        return [replace(one, prediction=None) if one.item in ids else one for one in answers]

    found = items(tmp_path, (silent(said(NAME, TRUTH), "q0", "q1"), silent(said(NAME, TRUTH), "q0")))
    assert found["items"] == 7 and found["replicates"][0]["only_b"] == 1


def test_only_items_of_both_sides_with_the_same_truth_are_compared(tmp_path: Path) -> None:
    fewer = {id: answer for id, answer in TRUTH.items() if id != "q7"}
    found = items(tmp_path, (said(NAME, ["q0"]), said(NAME, ["q0"], {**fewer, "q6": "other"})))
    assert found["items"] == 6 and found["other_truth"] == 1


def test_folds_have_other_items_and_all_of_them_count(tmp_path: Path) -> None:
    one, other = {"q0": "run"}, {"q1": "run"}
    found = items(tmp_path, (said(NAME, [], one), said(NAME, ["q0"], one)), (said(NAME, [], other), said(NAME, [], other)))
    assert found["items"] == 2 and found["mean"] == 0.5


def test_without_answers_by_item_on_both_sides_nothing_is_said_of_items(tmp_path: Path) -> None:
    assert items(tmp_path, (said(NAME, ["q0"]), None)) is None
