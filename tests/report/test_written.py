"""The tables for other programs: csv has every number whole, LaTeX and Markdown show what the terminal shows, and text stays text."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.report.written import WRITERS
from tests.report.conftest import LABELS, read

Report = Callable[..., Path]


def lines(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(WRITERS["csv"](read(out)))))


def test_csv_has_every_mean_half_width_and_value_without_rounding(reported: Report) -> None:
    found, report = lines(reported()), read(reported(name="again"))
    for network in report["networks"]:
        for column, score in network["scores"].items():
            mine = [line for line in found if (line["table"], line["row"], line["column"]) == ("scores", network["label"], column)]
            assert [float(mine[0]["mean"]), float(mine[0]["half_width"])] == [score["mean"], score["half"]]
            assert [(line["replicate"], float(line["value"])) for line in mine[1:]] == list(
                zip(("seed 0", "seed 1", "seed 2"), score["values"])
            )
    (difference,) = [line for line in found if line["table"] == "differences" and line["mean"]]
    assert float(difference["mean"]) == report["differences"][0]["mean"] and difference["row"] == report["differences"][0]["label"]
    costs = {(line["row"], line["column"]): float(line["mean"]) for line in found if line["table"] == "costs"}
    assert costs["teacher", "parameters"] == 1_234_567 and costs["teacher", "ms_alone"] == 1.5
    assert len(costs) == len(LABELS) * 5


def test_where_there_is_no_interval_csv_says_nothing(reported: Report) -> None:
    assert {line["half_width"] for line in lines(reported((4,))) if line["table"] != "costs"} == {""}


def test_markdown_shows_what_the_terminal_shows(reported: Report) -> None:
    out = reported()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in WRITERS["markdown"](read(out)).splitlines() if "|" in line]
    text = (out / "report.txt").read_text()
    cells = [cell for row in rows for cell in row if cell and set(cell) - set("-: ")]
    assert len(cells) > 40 and all(cell in text for cell in cells)
    assert ["teacher", "62.0 ± 5.0", "62.0 ± 5.0", "31.0 ± 2.5"] in rows


def test_latex_is_balanced_and_shows_what_the_terminal_shows(reported: Report) -> None:
    text = WRITERS["latex"](read(reported()))
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 3 and text.count(r"\midrule") == 4
    assert r"teacher & 62.0 $\pm$ 5.0 & 62.0 $\pm$ 5.0 & 31.0 $\pm$ 2.5 \\" in text
    assert r"student distilled $-$ student alone & +2.0 $\pm$ 0.2 & the interval excludes 0 \\" in text
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {3, 2, 5}


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("latex", r"100\% of A\&B\_\textbackslash{}x \{y\} \$1 \#2 \textasciitilde{} \textasciicircum{} two lines & 20.0"),
        ("markdown", r"| 100% of A&B\_\\x {y} $1 #2 ~ ^ two lines | 20.0"),
        ("csv", 'scores,"100% of A&B_\\x {y} $1 #2 ~ ^ two\nlines",all,fraction,0.2'),
    ],
)
def test_a_label_stays_text(form: str, shown: str, reported: Report) -> None:
    report = read(reported())
    report["baselines"][0]["label"] = "100% of A&B_\\x {y} $1 #2 ~ ^ two\nlines"
    assert shown in WRITERS[form](report)
