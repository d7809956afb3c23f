"""Two results side by side: what differs in settings and code, which replicates go together, what the scores say."""

from __future__ import annotations

import json

import pytest

from cache.errors import KdpipeError
from models.evaluation.record import Row, Score
from pipeline.compare.sides import side
from tests.compare.conftest import Compare, Results
from tests.report.conftest import LABELS


def texts(found: dict) -> dict[str, list[str]]:
    """What differs -> the nodes of which it does."""
    return {change["text"]: change["nodes"] for change in found["changes"]}


def networks(value: float) -> tuple[Row, ...]:
    """Three networks of which the distilled one has this score."""
    return tuple(Row(name, label, {"all": Score(value if name == "student.kd" else 0.5)}) for name, label in LABELS.items())


def test_a_setting_is_named_with_the_trainings_in_which_it_differs_and_not_with_what_came_of_them(
    results: Results, compared: Compare
) -> None:
    found = compared(results.experiment(1.0), results.experiment(2.0))
    assert texts(found) == {"param kd_alpha 1.0 → 2.0": ["student.kd.s0", "student.kd.s1"]}


def test_code_differs_down_to_the_function(results: Results, compared: Compare) -> None:
    found = compared(results.experiment(1.0, [0]), results.experiment(1.0, [0], code="b"))
    assert texts(found) == {"code: systems/toy/train.py::loss changed": ["student.kd.s0"]}


def test_an_input_that_is_gone_from_the_store_is_all_that_can_be_told(results: Results, compared: Compare) -> None:
    (a,), (b,) = results.experiment(1.0, [0]), results.experiment(2.0, [0])
    results.store.action_path(b.parents["student.kd"]).unlink()
    assert texts(compared([a], [b])) == {"input student.kd changed": ["evaluate.s0"]}


def test_differences_are_b_less_a_seed_by_seed(results: Results, compared: Compare) -> None:
    a = [results.experiment(1.0, [seed], networks=networks(value))[0] for seed, value in ((0, 0.40), (1, 0.50), (2, 0.60))]
    b = [results.experiment(2.0, [seed], networks=networks(value))[0] for seed, value in ((0, 0.42), (1, 0.51), (2, 0.63))]
    (network,) = compared(a, b)["networks"]
    score = network["scores"]["all"]
    assert network["a"] == "student.kd" and score["b"]["values"] == [0.42, 0.51, 0.63]
    assert score["difference"]["mean"] == pytest.approx(0.02) and score["difference"]["half"] == pytest.approx(0.0248, abs=1e-4)
    assert score["a"]["half"] > 0.2  # paired seeds say far more than unpaired ones


def test_seeds_without_a_counterpart_are_left_out_and_named(results: Results, compared: Compare) -> None:
    found = compared(results.experiment(1.0, [0, 1]), results.experiment(2.0, [1]))
    assert found["replicates"] == [{"seed": 1, "fold": ""}]
    assert found["notes"] == ["seed 0 of A has no counterpart"]


def test_one_evaluation_is_compared_with_one_of_another_seed(results: Results, compared: Compare) -> None:
    found = compared(results.experiment(1.0, [0], right="q1"), results.experiment(1.0, [1], right="q2"))
    assert "param seed 0 → 1" in texts(found) and found["networks"] and not found["notes"]


def test_networks_that_are_the_same_on_both_sides_are_named_and_not_compared(results: Results, compared: Compare) -> None:
    found = compared(results.experiment(1.0), results.experiment(2.0))
    assert found["same"] == ["teacher", "student alone"] and [one["label"] for one in found["networks"]] == ["student distilled"]


def test_two_trainings_are_compared_by_the_evaluation_that_read_both(results: Results, compared: Compare) -> None:
    (scored,) = results.experiment(1.0, [0])
    alone, distilled = (results.store.read_record(scored.parents[name]) for name in ("student.alone", "student.kd"))
    found = compared([alone], [distilled])
    (network,) = found["networks"]
    assert (network["a"], network["b"], network["label"]) == ("student.alone", "student.kd", "student alone → student distilled")
    assert network["items"]["replicates"] == [{"both": 1, "only_a": 0, "only_b": 1, "neither": 6, "p": 1.0}]
    assert {"param kd False → True", "param kd_alpha (unset) → 1.0", "input teacher is newly read"} <= set(texts(found))


def test_a_training_that_several_evaluations_read_is_no_answer_to_which_is_meant(results: Results, judge) -> None:
    (scored,) = results.experiment(1.0, [0])
    results.experiment(1.0, [0], right="q7")
    again = results.add(
        "evaluate.s0",
        {"seed": 0, "other": 1},
        {"student.kd": results.store.read_record(scored.parents["student.kd"])},
        write=lambda files: [(files / one.name).write_bytes(one.read_bytes()) for one in results.store.files(scored).iterdir()],
    )
    with pytest.raises(KdpipeError, match="evaluated 2 times") as error:
        side(judge, scored.parents["student.kd"])
    assert again.digest[:12] in str(error.value)


def test_results_that_nothing_was_evaluated_of_are_compared_by_their_settings(results: Results, compared: Compare) -> None:
    a, b = (results.add("extract.motion", {"clips": clips}) for clips in (4, 8))
    found = compared([a], [b])
    assert texts(found) == {"param clips 4 → 8": ["extract.motion"]}
    assert found["measured"] is None and found["networks"] == [] and "no evaluation speaks of A" in found["notes"][0]


def test_evaluations_of_two_data_sets_have_nothing_in_common(results: Results, compared: Compare) -> None:
    with pytest.raises(KdpipeError, match="their dataset is tiny and other"):
        compared(results.experiment(1.0, [0]), results.experiment(2.0, [0], dataset="other"))


def test_a_result_is_not_compared_with_itself(results: Results, compared: Compare) -> None:
    one = results.experiment(1.0, [0])
    with pytest.raises(KdpipeError, match="same result"):
        compared(one, one)


def test_one_network_can_be_asked_for_and_a_wrong_name_is_told_the_right_ones(results: Results, compared: Compare) -> None:
    a, b = results.experiment(1.0, [0]), results.experiment(2.0, [0])
    assert compared(a, b, only="teacher")["same"] == ["teacher"]
    with pytest.raises(KdpipeError, match="no network 'studnet'"):
        compared(a, b, only="studnet")


def test_the_comparison_is_json(results: Results, compared: Compare) -> None:
    found = compared(results.experiment(1.0), results.experiment(2.0, right="q1 q5"))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
