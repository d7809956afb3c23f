"""The tables of a report as text for other programs: csv with a number a line, LaTeX and Markdown as the terminal shows them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from stages.report import grids
from stages.report.grids import Grid, Summary

#: What has a meaning in LaTeX -> how it is written as text.
LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {one: f"\\{one}" for one in "&%$#_{}"}
MARKDOWN = {one: f"\\{one}" for one in "\\`*_[]<>|"}
COLUMNS = ("table", "row", "column", "unit", "mean", "half_width", "replicate", "value")


def as_csv(summary: Summary) -> str:
    """Long form: a line for the mean of every number with the half width of its interval, and one for its value in each replicate.

    Numbers are whole, not rounded; scores in "%" are fractions here. ``half_width`` is empty where there is no interval.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_lines(summary))
    return text.getvalue()


def as_latex(summary: Summary) -> str:
    """Tables for a paper; they need the package booktabs."""
    found = [_latex(grids.scores(summary)), _latex(_differences(summary)), _latex(grids.costs(summary))]
    notes = [grids.title(summary), grids.what_intervals_are(summary), *grids.below(summary), *(f"! {flag}" for flag in summary["flags"])]
    head = "".join(f"% {' '.join(note.split())}\n" for note in notes)
    return head + "\n".join(table for table in found if table)


def as_markdown(summary: Summary) -> str:
    """Tables for a README, with what has to be known of them."""
    title = f"**{_escaped(grids.title(summary), MARKDOWN)}**: {_escaped(grids.what_intervals_are(summary), MARKDOWN)}\n"
    tables = [_markdown(grids.scores(summary)), _markdown(_differences(summary)), _markdown(grids.costs(summary))]
    notes = [*grids.below(summary), *(f"! {flag}" for flag in summary["flags"])]
    told = "".join(f"* {_escaped(note, MARKDOWN)}\n" for note in notes)
    return "\n".join([title, *(table for table in tables if table), *([told] if told else [])])


WRITERS: Mapping[str, Callable[[Summary], str]] = {"csv": as_csv, "latex": as_latex, "markdown": as_markdown}


def _lines(summary: Summary) -> Iterator[Sequence[Any]]:
    names = [f"seed {one['seed']}" + (f", fold {one['fold']}" if one["fold"] else "") for one in summary["replicates"]]
    for row in [*summary["networks"], *summary["baselines"]]:
        for column in summary["columns"]:
            if (score := row["scores"].get(column["name"])) is not None:
                yield from _number("scores", row["label"], column, score, names)
    for row in summary["differences"]:
        yield from _number("differences", row["label"], summary["columns"][0], row, names)
    for row in summary["networks"]:
        for key, value in row["costs"].items():
            yield ("costs", row["label"], key, "", value, "", "", "")
        for key, value in (row["times"] or {}).items():
            yield ("costs", row["label"], key, "ms", value, "", "", "")


def _number(table: str, label: str, column: Mapping[str, Any], found: Mapping[str, Any], names: Sequence[str]) -> Iterator[Sequence[Any]]:
    unit = "fraction" if column["unit"] == "%" else column["unit"]
    half = found["half"] if found["half"] is not None else found.get("own")
    yield (table, label, column["name"], unit, found["mean"], "" if half is None else half, "", "")
    for name, value in zip(names, found["values"], strict=True):
        yield (table, label, column["name"], unit, "", "", name, value)


def _differences(summary: Summary) -> Grid | None:
    found = grids.differences(summary)
    rows = [[one.label, one.number, one.verdict] for one in found]
    return Grid([["", grids.difference_head(summary), ""]], rows, len(rows)) if rows else None


def _latex(grid: Grid | None) -> str:
    if grid is None:
        return ""

    def line(cells: Sequence[str]) -> str:
        told = (_escaped(cell, LATEX).replace("±", r"$\pm$").replace("−", "$-$").replace("–", "--") for cell in cells)
        return " & ".join(told) + r" \\"

    body = [line(cells) for cells in grid.rows]
    if grid.baselines < len(body):
        body.insert(grid.baselines, r"\midrule")
    begin = rf"\begin{{tabular}}{{l{'r' * (len(grid.heads[0]) - 1)}}}"
    return "\n".join([begin, r"\toprule", *map(line, grid.heads), r"\midrule", *body, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _markdown(grid: Grid | None) -> str:
    if grid is None:
        return ""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(_escaped(cell, MARKDOWN) for cell in cells)} |"

    rule = f"| --- |{' ---: |' * (len(grid.heads[0]) - 1)}"
    return "\n".join([line(grid.heads[0]), rule, *map(line, grid.heads[1:]), *map(line, grid.rows)]) + "\n"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return " ".join(text.split()).translate(str.maketrans(dict(table)))
