"""The report: its numbers, its text, its pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from cache.errors import DataError
from models.evaluation.record import Items, Panel, Score
from stages.report.run import run
from tests.report.conftest import LABELS, context, curve, evaluation, read, report_of, text

Report = Callable[..., Path]


def test_means_and_intervals_are_over_seeds(reported: Report) -> None:
    found = read(reported())
    alone = next(network for network in found["networks"] if network["name"] == "student.alone")
    assert alone["scores"]["all"]["mean"] == pytest.approx(0.5)
    assert alone["scores"]["all"]["half"] == pytest.approx(4.302653 * 0.1 / 3**0.5, rel=1e-6)
    assert alone["scores"]["all"]["values"] == [0.4, 0.5, 0.6]
    assert alone["scores"]["who"]["mean"] == pytest.approx(0.25)
    assert alone["about"] == [{"epoch": 0}, {"epoch": 1}, {"epoch": 2}]
    assert found["seeds"] == [0, 1, 2]


def test_the_paired_difference_excludes_zero_though_the_seeds_scatter(reported: Report) -> None:
    out = reported()
    difference = read(out)["differences"][0]
    assert difference["mean"] == pytest.approx(0.02)
    assert difference["half"] < 0.005
    assert difference["excludes_zero"]
    assert "paired differences, seed by seed, in points (± 95 % interval)" in text(out)
    assert "student distilled − student alone:  +2.0 ± 0.2   (the interval excludes 0)" in text(out)


def test_a_difference_that_is_not_established_is_called_so(reported: Report) -> None:
    out = reported(pairs=(("teacher", "student.alone"),))
    assert not read(out)["differences"][0]["excludes_zero"]
    assert "the interval includes 0: not established" in text(out)


def test_the_table_shows_networks_baselines_types_and_cost(reported: Report) -> None:
    lines = text(reported()).splitlines()
    head = next(place for place, line in enumerate(lines) if line.strip().startswith("all"))
    assert lines[head].split() == ["all", "what", "who"] and lines[head + 1].split() == ["questions", "10", "6", "4"]
    assert any(line.split() == ["teacher", "62.0", "±", "5.0", "62.0", "±", "5.0", "31.0", "±", "2.5"] for line in lines)
    assert any(line.split() == ["majority", "answer", "20.0", "20.0", "10.0"] for line in lines)
    assert any(line.split() == ["student", "alone", "1,234,567", "2.0", "1.5", "1.50", "0.25"] for line in lines)
    note = "one multiply-add = 2 FLOPs; a question of 6 tokens; times were measured once, on the machine that made this"
    assert f"{note} (cpu, 1 thread, median of 5, batch 32)" in lines


def test_without_a_timing_the_table_has_no_times(reported: Report) -> None:
    out = reported(timing=False)
    assert "ms/question" not in text(out)
    assert read(out)["timing"] is None


def test_one_seed_gives_no_interval_and_says_so(reported: Report) -> None:
    out = reported((4,))
    assert "no interval: one seed" in text(out)
    assert "! one seed: no intervals" in text(out)
    assert read(out)["differences"][0]["half"] is None


def test_lost_items_are_flagged_and_counted_wrong_in_strict(reported: Report) -> None:
    out = reported(items=Items("question", total=10, scored=9, needs="video"), flags=("RANDOM WEIGHTS",))
    flags = [line for line in text(out).splitlines() if line.startswith("!")]
    assert flags == ["! RANDOM WEIGHTS", "! 1 of 10 test questions have no video (lost): left out of the table, wrong in 'strict'"]
    assert "test questions: 9 of 10 have a video" in text(out)
    assert "strict (a lost question is wrong): teacher 55.8 ± 4.5, " in text(out)


def test_what_only_one_seed_has_to_say_is_shown_as_its_own(tmp_path: Path) -> None:
    out = report_of(tmp_path, [evaluation(seed, seed, flags=("all of it", *(["some of it"] * seed))) for seed in (0, 1)])
    assert [line for line in text(out).splitlines() if line.startswith("!")] == ["! all of it", "! seed 1: some of it"]
    assert text(out).count("a note") == 1


def test_the_picture_is_drawn_over_seeds_of_different_length(reported: Report) -> None:
    with Image.open(reported() / "curves.png") as picture:
        assert picture.size[0] > 800
        assert len(picture.convert("L").getcolors()) > 20


def test_a_picture_says_what_it_is_of_and_names_its_lines_where_they_cover_none(reported: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *to, **how: (figure.draw_without_rendering(), drawn.append(figure)))
    reported()
    figure = drawn[0]
    assert figure.get_suptitle() == "tiny: 3 seeds (0, 1, 2); line: mean, band: its 95 % interval (Student's t)"
    (legend,) = figure.legends
    assert not any(legend.get_window_extent().overlaps(axis.get_tightbbox()) or axis.get_legend() for axis in figure.axes)
    assert len(legend.get_texts()) == len({text.get_text() for text in legend.get_texts()}) > 1


def test_a_number_that_is_measured_every_few_epochs_stands_at_its_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(Axes, "plot", lambda axis, x, y, **how: drawn.append((list(x), list(y))))
    records = [{"model": "teacher", "epoch": e, **({"val_accuracy": e / 100} if e % 3 == 2 else {})} for e in range(9)]
    report_of(tmp_path, [evaluation(seed, seed) for seed in (0, 1)], curves=[records, records[:6]])
    assert drawn == [([3, 6], [pytest.approx(2.0), pytest.approx(5.0)])]


@pytest.mark.parametrize("records", [None, [], [{"model": "teacher", "epoch": 0, "unheard_of": 1.0}]])
def test_curves_in_which_nothing_is_to_be_drawn_give_no_picture(records: list[dict] | None, tmp_path: Path) -> None:
    out = report_of(tmp_path, [evaluation(0, 0)], curves=[records])
    assert sorted(path.name for path in out.iterdir()) == ["report.json", "report.txt"]


def test_seeds_that_share_no_epoch_give_no_picture(tmp_path: Path) -> None:
    early, late = curve("teacher", 0, 2), [{**record, "epoch": 5} for record in curve("teacher", 1, 1)]
    assert not (report_of(tmp_path, [evaluation(0, 0), evaluation(1, 1)], curves=[early, late]) / "curves.png").exists()


def test_the_same_evaluations_give_the_same_bytes(reported: Report) -> None:
    first, second = reported(), reported(name="again")
    for name in ("report.json", "report.txt", "curves.png"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_seeds_are_ordered_as_numbers(tmp_path: Path) -> None:
    out = report_of(tmp_path, [evaluation(10, 1), evaluation(9, 0)])
    assert read(out)["seeds"] == [9, 10]
    assert read(out)["networks"][0]["scores"]["all"]["values"] == [0.60, 0.62]


def test_a_report_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no evaluation"):
        run(context(tmp_path, {}))


def test_an_evaluation_of_another_form_is_named(tmp_path: Path) -> None:
    (tmp_path / "evaluate.s0").mkdir()
    (tmp_path / "evaluate.s0" / "evaluation.json").write_text('{"task": "none"}')
    with pytest.raises(DataError, match=r"evaluate\.s0 holds no evaluation that can be read"):
        run(context(tmp_path, {"evaluate.s0": tmp_path / "evaluate.s0"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 0}, "two evaluations of seed 0"),
        ({"dataset": "other"}, "their dataset: 'tiny' and 'other'"),
        ({"columns": tuple(replace(c, unit="s") for c in evaluation(0, 0).columns)}, "their unit of all: '%' and 's'"),
        ({"networks": evaluation(0, 0).networks[::-1]}, "their networks"),
        ({"fold": "2"}, "seed 0 has no evaluation of fold '2'"),
    ],
)
def test_evaluations_that_are_no_replicates_are_refused(changes: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        report_of(tmp_path, [evaluation(0, 0), replace(evaluation(1, 1), **changes)])


def test_a_column_that_a_seed_lacks_is_a_dash(tmp_path: Path) -> None:
    part = evaluation(1, 1)
    fewer = {
        which: tuple(replace(row, scores={"all": Score(0.5), "what": Score(0.5)}) for row in getattr(part, which))
        for which in ("networks", "baselines")
    }
    out = report_of(tmp_path, [evaluation(0, 0), replace(part, columns=part.columns[:2], **fewer)])
    lines = text(out).splitlines()
    assert next(line for line in lines if line.startswith("questions")).split() == ["questions", "10", "6", "0–4"]
    assert next(line for line in lines if line.startswith("teacher")).split()[-1] == "–"


def test_only_what_the_evaluation_names_is_drawn(reported: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = []
    monkeypatch.setattr(Axes, "set_title", lambda axis, title, **how: titles.append(title))
    reported(panels=(Panel("train_term", "a term of a system"), Panel("train_ce", "loss")))
    assert titles == ["a term of a system", "loss"]
    assert set(LABELS) == {row["name"] for row in read(reported(name="again"))["networks"]}
