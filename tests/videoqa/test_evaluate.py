"""The evaluation: metrics, coverage, predictions, cost."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.evaluation.files import read_evaluation
from models.training.artifact import read_network
from systems.videoqa import TimingParams, cost, evaluate, timing
from systems.videoqa.data import Features, Split, Vocabulary
from systems.videoqa.evaluate import UNANSWERED, majority, score
from systems.videoqa.model import DualVGR

NAMES = ["teacher", "student.alone", "student.kd", "student.question"]


def read(path):
    return json.loads(path.read_text())


def lines(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_predictions_tell_the_same_accuracy_as_the_scores(trained) -> None:
    _, made = trained
    evaluation, rows = read_evaluation(made["evaluate"]), lines(made["evaluate"] / "predictions.jsonl")
    assert [network.name for network in evaluation.networks] == NAMES
    assert [column.name for column in evaluation.columns] == ["all", "what", "who", "how"]
    for network in evaluation.networks:
        mine = [row for row in rows if row["model"] == network.name]
        assert len(mine) == 11
        assert network.scores["all"].value == pytest.approx(np.mean([row["answer"] == row["prediction"] for row in mine]))
        assert network.scores["all"].value == np.mean([row["right"] for row in mine])
        for column in evaluation.columns[1:]:
            typed = [row["answer"] == row["prediction"] for row in mine if row["question"][0] == column.name]
            assert network.scores[column.name].value == pytest.approx(np.mean(typed))
            assert column.items == len(typed)


def test_what_the_features_and_the_language_lack_is_told(trained) -> None:
    _, made = trained
    evaluation = read_evaluation(made["evaluate"])
    assert evaluation.notes == (
        "language: 8 words, 7 with a 10-d vector; 5 answer classes",
        "appearance features: drawn, weights none, 3 clips",
        "motion features: drawn, weights none, 3 clips",
    )
    assert evaluation.flags == (
        "RANDOM WEIGHTS: the motion features come from an untrained drawn",
        "1 test questions have an answer that training never shows: counted, and right for a network that says <UNK1>, as published",
    )


def test_predictions_agree_with_the_network_asked_one_question_at_a_time(trained) -> None:
    bench, made = trained
    model, _ = read_network(made["student.kd"], DualVGR)
    split = Split(bench.inputs["questions"], "test", Features(bench.inputs["appearance"], bench.inputs["motion"]))
    answers = Vocabulary.load(bench.inputs["questions"]).answer_words
    rows = [row for row in lines(made["evaluate"] / "predictions.jsonl") if row["model"] == "student.kd"]
    for number, row in enumerate(rows):
        data = split.batch(torch.tensor([number]))
        logits = model(*data[:2], data.question, data.length, data.video_index).logits[0]
        assert answers[int(logits.argmax())] == row["prediction"]
        chances = {answers[id]: float(chance) for id, chance in enumerate(logits.softmax(0))}
        assert row["top"] == sorted(row["top"], key=lambda one: -one[1]) and len(row["top"]) == min(5, len(chances))
        assert dict(row["top"]) == pytest.approx({word: chances[word] for word, _ in row["top"]}, abs=1e-4)


def test_an_answer_outside_the_vocabulary_is_kept_as_its_text_and_wrong(trained) -> None:
    _, made = trained
    rows = [row for row in lines(made["evaluate"] / "predictions.jsonl") if row["item"] == "0"]
    assert {row["answer"] for row in rows} == {"unheard"}
    assert all(row["prediction"] != "unheard" for row in rows)


def test_what_is_right_by_the_protocol_is_right_in_the_predictions_too(trained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of answers that training never shows the protocol knows only that they are unknown."""
    bench, made = trained
    predicted = evaluate.predict

    def unknown(*arguments: Any) -> evaluate.Said:
        said = predicted(*arguments)
        return replace(said, ids=np.ones_like(said.ids))

    monkeypatch.setattr(evaluate, "predict", unknown)
    out = bench.evaluation({name.replace(".", "__"): made[name] for name in NAMES}, "unknown")
    rows = [row for row in lines(out / "predictions.jsonl") if row["model"] == "teacher"]
    assert [row["item"] for row in rows if row["right"]] == ["0"] and {row["prediction"] for row in rows} == {"<UNK1>"}
    assert read_evaluation(out).networks[0].scores["all"].value == 1 / 11


def test_two_evaluations_have_the_same_bytes(trained) -> None:
    bench, made = trained
    again = bench.evaluation({name.replace(".", "__"): made[name] for name in NAMES}, "again")
    for path in made["evaluate"].iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_curves_of_all_networks_travel_with_the_evaluation(trained) -> None:
    _, made = trained
    assert Counter(row["model"] for row in lines(made["evaluate"] / "curves.jsonl")) == dict.fromkeys(NAMES, 3)


def test_lost_questions_are_left_out_of_accuracy_and_wrong_in_strict(bench_with_lost_videos) -> None:
    bench = bench_with_lost_videos
    teacher, alone = bench.teacher(epochs=1), bench.student("alone", kd="none", epochs=1)
    out = bench.evaluation({"teacher": teacher, "student__alone": alone, "student__kd": alone, "student__question": alone})
    evaluation = read_evaluation(out)
    items = evaluation.items
    assert items.scored < items.total == 11
    for network in evaluation.networks:
        assert network.strict == pytest.approx(network.scores["all"].value * items.scored / 11)
    assert any("train questions have no video (lost): left out" in flag for flag in evaluation.flags)
    unanswered = [row for row in lines(out / "predictions.jsonl") if row["prediction"] is None and row["model"] == "teacher"]
    assert {row["video_id"] for row in unanswered} <= {4, 7}
    assert len(unanswered) == items.total - items.scored
    assert all("top" not in row and row["kind"] == row["question"][0] for row in unanswered)


def test_the_majority_answers_come_from_the_training_split(trained) -> None:
    bench, _ = trained
    features = Features(bench.inputs["appearance"], bench.inputs["motion"])
    test, train = (Split(bench.inputs["questions"], name, features) for name in ("test", "train"))
    found = majority(test, train)
    counted = Counter(train.answers.tolist())
    assert {counted[answer] for answer in found["majority"].tolist()} == {max(counted.values())}
    for row, answer in enumerate(found["majority_by_type"].tolist()):
        mine = Counter(train.answers[train.tokens[:, 0] == test.tokens[row, 0]].tolist())
        assert mine[answer] == max(mine.values())


def test_an_unanswered_question_never_counts_as_right(trained) -> None:
    bench, _ = trained
    split = Split(bench.inputs["questions"], "test", Features(bench.inputs["appearance"], bench.inputs["motion"]))
    predicted = split.all["answers"].numpy().copy()
    vocabulary = Vocabulary.load(bench.inputs["questions"])
    assert score(split, predicted, vocabulary).strict == 1.0
    predicted[3] = UNANSWERED
    found = score(split, predicted, vocabulary)
    assert found.answered.overall == 1.0
    assert found.strict == pytest.approx(10 / 11)


@pytest.mark.parametrize(("layers", "published"), [(1, 21_218_578), (4, 28_324_162)])
def test_cost_of_the_full_networks_agrees_with_the_paper(layers: int, published: int) -> None:
    model = DualVGR(question_vocab_size=20, answer_vocab_size=30, num_of_nodes=8, graph_layers=layers).eval()
    assert cost.parameters(model) == {"parameters": published + 300 * 20 + 769 * 30, "parameters_without_vocabulary": published}
    about = {"arguments": {"num_of_nodes": 8, "vision_dim": 2048}}
    flops = cost.flops(model, cost.example(model, about, frames=16, tokens=7))
    assert flops["flops"] / 2e9 == pytest.approx(1.0 + 0.019 * (layers - 1), rel=0.06)
    assert flops["flops_of_video"] / 2 == 128 * 2 * 4 * 384 * (2048 + 384) + 8 * 2048 * 768


def test_flops_do_not_depend_on_how_torch_runs_an_lstm(trained) -> None:
    _, made = trained
    model, about = read_network(made["teacher"], DualVGR)
    inputs = cost.example(model, about, frames=4, tokens=5)
    fused = cost.flops(model, inputs)
    with torch.backends.mkldnn.flags(enabled=False):
        assert cost.flops(model, inputs) == fused


def test_timing_measures_every_network(trained) -> None:
    bench, made = trained
    networks = {name.replace(".", "__"): made[name] for name in NAMES}
    found = read(bench.run(timing.run, TimingParams(repeats=2, batch_size=3), "timing", **networks) / "timing.json")
    assert set(found["models"]) == set(NAMES)
    assert all(value > 0 for times in found["models"].values() for value in times.values())
