"""The report carries what systems of other kinds say: episodes with their own interval, thresholds, folds, no curves and no cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cache.errors import DataError
from models.evaluation.record import Column, Cost, Evaluation, Items, Own, Row, Score
from tests.report.conftest import read, report_of, text

EPISODES = 10_000


def line(report: str, start: str) -> str:
    """The first line that begins so."""
    return next(line for line in report.splitlines() if line.startswith(start))


def episodes(seed: int) -> Evaluation:
    """Few-shot recognition: the mean accuracy over episodes of five queries, with the interval over the episodes."""

    def score(chance: float) -> Score:
        accuracies = np.random.default_rng([seed, int(1000 * chance)]).binomial(5, chance, EPISODES) / 5
        return Score(float(accuracies.mean()), 1.96 * float(accuracies.std()) / math.sqrt(EPISODES))

    rows = {"student.alone": ("ResNet-18 alone", 0.80), "student.kd": ("ResNet-18 distilled", 0.84)}
    return Evaluation(
        task="few-shot action recognition",
        metric="accuracy",
        dataset="kinetics",
        split="test",
        seed=seed,
        columns=(Column("5-way 5-shot", digits=2),),
        items=Items("query", total=5 * EPISODES, scored=5 * EPISODES, many="queries"),
        networks=tuple(Row(name, label, {"5-way 5-shot": score(chance)}) for name, (label, chance) in rows.items()),
        pairs=(("student.kd", "student.alone"),),
        own=Own(EPISODES, "episodes"),
    )


def test_one_seed_over_episodes_is_shown_with_the_interval_over_its_episodes(tmp_path: Path) -> None:
    said = episodes(0)
    report = text(report_of(tmp_path, [said]))
    assert "few-shot action recognition on kinetics: test accuracy in %" in report
    assert "score ± its own 95 % interval over 10,000 episodes; 1 seed (0)" in report
    score = said.networks[1].scores["5-way 5-shot"]
    assert line(report, "ResNet-18 distilled").split()[2:] == [f"{100 * score.value:.2f}", "±", f"{100 * score.half:.2f}"]
    assert 0.2 < 100 * score.half < 0.4
    assert line(report, "queries").split() == ["queries", "50000"]
    assert "! one seed: no intervals over seeds, only over its episodes" in report
    assert "(no interval: one seed)" in report
    assert "MFLOPs" not in report and "have a" not in report


def test_several_seeds_over_episodes_are_shown_with_the_interval_over_seeds_and_their_own_beside(tmp_path: Path) -> None:
    said = [episodes(seed) for seed in range(3)]
    out = report_of(tmp_path, said)
    found = read(out)["networks"][1]["scores"]["5-way 5-shot"]
    halves = [one.networks[1].scores["5-way 5-shot"].half for one in said]
    assert found["own"] == max(halves) and found["half"] not in halves
    assert "mean ± 95 % interval over 3 seeds (0, 1, 2)\n" in text(out)
    assert line(text(out), "ResNet-18 distilled").endswith(f"{100 * found['mean']:.2f} ± {100 * found['half']:.2f}")
    own = line(text(out), "each seed's own 95 % interval over 10,000 episodes, at most: ResNet-18 alone ± 0.")
    assert own.endswith(f"ResNet-18 distilled ± {100 * max(halves):.2f}")


def test_detection_is_shown_by_threshold_and_leads_with_the_average(tmp_path: Path) -> None:
    thresholds, published = ("0.3", "0.4", "0.5", "0.6", "0.7"), (0.673, 0.624, 0.555, 0.437, 0.311)

    def row(name: str, loss: float) -> Row:
        values = [value - loss for value in published]
        scores = {"average": sum(values) / 5, **dict(zip((f"tIoU {t}" for t in thresholds), values))}
        return Row(name, name, {column: Score(value) for column, value in scores.items()}, costs={"parameters": 2_000_000})

    said = Evaluation(
        task="temporal action detection",
        metric="mAP",
        dataset="thumos14",
        split="test",
        seed=0,
        columns=(Column("average"), *(Column(f"tIoU {t}") for t in thresholds)),
        items=Items("video", total=212, scored=210, needs="annotation"),
        networks=(row("teacher", 0.0), row("student", 0.1)),
        pairs=(("teacher", "student"),),
        costs=(Cost("parameters", "M parameters", per=1e6, digits=1),),
    )
    report = text(report_of(tmp_path, [said]))
    assert line(report, "teacher").split() == ["teacher", "52.0", "67.3", "62.4", "55.5", "43.7", "31.1"]
    assert "teacher − student:  +10.0" in report
    assert "test videos: 210 of 212 have an annotation" in report
    assert "! 2 of 212 test videos have no annotation (lost): left out of the table\n" in report
    assert "strict" not in report
    assert "M parameters" in report and "multiply-add" not in report and "times were" not in report


def fold(number: int, seed: int, top1: Sequence[float], clips: int) -> Evaluation:
    """A linear SVM on the features of two encoders, on one of the official splits: no training curves, no cost, nothing selected."""
    rows = zip(("student.alone", "student.kd"), ("without distillation", "with distillation"), top1)
    return Evaluation(
        task="action recognition by a linear SVM",
        metric="top-1 accuracy",
        dataset="ucf101",
        split="test",
        seed=seed,
        fold=str(number),
        columns=(Column("top-1"), Column("top-5"), Column("AUC", unit="", digits=3)),
        items=Items("clip", total=clips, scored=clips),
        networks=tuple(
            Row(name, label, {"top-1": Score(value), "top-5": Score(value + 0.1), "AUC": Score(0.9 + value / 100)}, about={"C": 0.01})
            for name, label, value in rows
        ),
        baselines=(Row("chance", "most frequent class", {"top-1": Score(0.01 * number)}),),
        pairs=(("student.kd", "student.alone"),),
        flags=(f"C was chosen on test split {number}",),
    )


FOLDS = [fold(1, 0, (0.80, 0.83), 3783), fold(2, 0, (0.70, 0.735), 3734), fold(10, 0, (0.60, 0.629), 3696)]


def test_folds_are_replicates_and_differences_are_taken_within_a_fold(tmp_path: Path) -> None:
    out = report_of(tmp_path, FOLDS[::-1])
    report = text(out)
    assert "mean ± 95 % interval over 3 folds (1, 2, 10) of seed 0" in report
    assert line(report, "clips").split() == ["clips", "3696–3783"]
    assert line(report, "without").split()[2:] == ["70.0", "±", "24.8", "80.0", "±", "24.8", "0.907", "±", "0.002"]
    assert read(out)["networks"][0]["scores"]["top-1"]["values"] == [0.80, 0.70, 0.60]
    assert "paired differences, fold by fold, in points" in report
    assert "with distillation − without distillation:  +3.1 ± 0.8   (the interval excludes 0)" in report
    assert line(report, "most frequent class").split()[-5:] == ["4.3", "±", "12.3", "–", "–"]
    assert "! seed 0, fold 2: C was chosen on test split 2" in report
    assert not (out / "curves.png").exists()


def test_seeds_times_folds_are_all_replicates(tmp_path: Path) -> None:
    second = [fold(int(one.fold), 1, (0.81, 0.84), one.items.total) for one in FOLDS]
    out = report_of(tmp_path, [*second, *FOLDS])
    assert "mean ± 95 % interval over 6 replicates: 2 seeds (0, 1) × 3 folds (1, 2, 10)" in text(out)
    assert read(out)["networks"][1]["scores"]["top-1"]["values"] == [0.83, 0.735, 0.629, 0.84, 0.84, 0.84]
    assert "paired differences, replicate by replicate, in points" in text(out)


def test_a_metric_without_percent_is_shown_in_its_unit(tmp_path: Path) -> None:
    def said(seed: int) -> Evaluation:
        return Evaluation(
            task="localisation",
            metric="mean error",
            dataset="d",
            split="test",
            seed=seed,
            columns=(Column("error", unit="s", digits=2),),
            items=Items("video", total=3, scored=3),
            networks=tuple(Row(name, name, {"error": Score(error + seed)}) for name, error in (("teacher", 1.25), ("student", 2.5))),
            pairs=(("student", "teacher"),),
        )

    report = text(report_of(tmp_path, [said(0), said(1)]))
    assert "localisation on d: test mean error in s\n" in report
    assert line(report, "teacher").split()[1] == "1.75"
    assert "paired differences, seed by seed, in s (± 95 % interval)" in report
    assert "student − teacher:  +1.25 ± 0.00" in report


@pytest.mark.parametrize("samples", [None, Own(EPISODES, "episodes", level=0.9)])
def test_replicates_say_alike_what_their_own_interval_is(samples: Own | None, tmp_path: Path) -> None:
    other = episodes(1)
    rows = tuple(replace(row, scores={"5-way 5-shot": Score(0.5)}) for row in other.networks)
    with pytest.raises(DataError, match="their interval"):
        report_of(tmp_path, [episodes(0), replace(other, own=samples, networks=rows)])
