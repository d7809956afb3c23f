"""The report: its numbers, its text, its picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cache.errors import DataError
from cache.ledger import Ledger
from cache.stage import Context
from stages.report import ReportParams
from stages.report.run import evaluations, gather

Report = Callable[..., Path]


def read(out: Path) -> dict:
    return json.loads((out / "report.json").read_text())


def text(out: Path) -> str:
    return (out / "report.txt").read_text()


def test_means_and_intervals_are_over_seeds(reported: Report) -> None:
    found = read(reported())
    alone = next(model for model in found["models"] if model["name"] == "student.alone")
    assert alone["accuracy"]["mean"] == pytest.approx(0.5)
    assert alone["accuracy"]["half"] == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)
    assert alone["values"] == [0.4, 0.5, 0.6]
    assert alone["by_type"]["who"]["mean"] == pytest.approx(0.25)
    assert found["seeds"] == [0, 1, 2]


def test_the_paired_difference_excludes_zero_though_the_seeds_scatter(reported: Report) -> None:
    out = reported()
    difference = read(out)["differences"][0]
    assert difference["mean"] == pytest.approx(0.02)
    assert difference["half"] < 0.005
    assert difference["excludes_zero"]
    assert "student distilled − student alone:  +2.0 ± 0.2   (the interval excludes 0)" in text(out)


def test_a_difference_that_is_not_established_is_called_so(reported: Report) -> None:
    out = reported(pairs=[["teacher", "student.alone"]])
    assert not read(out)["differences"][0]["excludes_zero"]
    assert "the interval includes 0: not established" in text(out)


def test_the_table_shows_networks_baselines_types_and_cost(reported: Report) -> None:
    lines = text(reported()).splitlines()
    head = next(line for line in lines if line.strip().startswith("all"))
    assert head.split() == ["all", "what", "who"]
    assert any(line.split() == ["teacher", "62.0", "±", "5.0", "62.0", "±", "5.0", "31.0", "±", "2.5"] for line in lines)
    assert any(line.split() == ["majority", "answer", "20.0", "20.0", "10.0"] for line in lines)
    assert any(line.split() == ["student", "alone", "1,234,567", "2.0", "1.5", "1.50", "0.25"] for line in lines)


def test_without_a_timing_the_table_has_no_times(reported: Report) -> None:
    out = reported(timing=False)
    assert "ms/question" not in text(out)
    assert read(out)["timing"] is None


def test_one_seed_gives_no_interval_and_says_so(reported: Report) -> None:
    out = reported((4,))
    assert "no interval: one seed" in text(out)
    assert "! one seed: no intervals" in text(out)
    assert read(out)["differences"][0]["half"] is None


def test_random_weights_lost_videos_and_unknown_answers_are_flagged(reported: Report) -> None:
    about = {"kind": "motion", "backbone": "small3d", "weights": "random", "random": True, "clips": 4, "videos": 5, "zero_rows": ["7"]}
    out = reported(features=[about], coverage={"questions": 10, "answered": 9, "lost": 1})
    flags = "\n".join(line for line in text(out).splitlines() if line.startswith("!"))
    assert "RANDOM WEIGHTS: the motion features come from an untrained small3d" in flags
    assert "1 of 5 rows of the motion features are zeros" in flags
    assert "1 of 10 test questions have no video" in flags
    assert "2 test questions have an answer that training never shows" in flags
    assert "strict (a lost question is wrong)" in text(out)


def test_the_picture_is_drawn_over_seeds_of_different_length(reported: Report) -> None:
    with Image.open(reported() / "curves.png") as picture:
        assert picture.size[0] > 800
        assert len(picture.convert("L").getcolors()) > 20


def test_the_same_evaluations_give_the_same_bytes(reported: Report) -> None:
    first, second = reported(), reported(name="again")
    for name in ("report.json", "report.txt", "curves.png"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_seeds_are_ordered_as_numbers(tmp_path: Path) -> None:
    names = ["evaluate.s10", "evaluate.s9", "questions", "timing"]
    assert evaluations(context(tmp_path, dict.fromkeys(names, tmp_path))) == ["evaluate.s9", "evaluate.s10"]


def test_a_report_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no evaluation"):
        gather(context(tmp_path, {}))


def context(path: Path, inputs: dict[str, Path]) -> Context:
    return Context(params=ReportParams(), out=path, scratch=path, ledger=Ledger(), progress=lambda *a, **k: None, inputs=inputs)  # type: ignore[arg-type]
