"""The parts of the page that say what the report says: scores, differences, seeds side by side, costs, what to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stages.report import grids
from stages.report.html.markup import Markup, element
from stages.report.html.pictures import forest, replicate_names
from stages.report.html.provenance import origin_anchor

Summary = dict[str, Any]


def head(summary: Summary) -> Markup:
    """The title, what the intervals are, and whatever a reader has to know before believing a number."""
    flags = [element("li", flag) for flag in summary["flags"]]
    box = [element("ul", flags, class_="flags", role="note", aria_label="what to know before believing a number")] if flags else []
    return element("header", element("h1", grids.title(summary)), element("p", grids.what_intervals_are(summary)), box)


def scores(summary: Summary, marks: Sequence[Sequence[Markup]]) -> Markup:
    """The table of scores. A label leads to where its numbers come from; a number says what each replicate has."""
    grid = grids.scores(summary)
    rows = [*summary["networks"], *summary["baselines"]]
    body = []
    for place, cells in enumerate(grid.rows):
        network = place < grid.baselines
        label = [element("a", cells[0], href=f"#{origin_anchor(place)}"), *(piece for mark in marks[place] for piece in (" ", mark))]
        told = [_each(summary, rows[place], column) for column in summary["columns"]]
        numbers = [element("td", cell, title=each) for cell, each in zip(cells[1:], told)]
        row_class = "first" if place == grid.baselines else None
        body.append(element("tr", element("th", label if network else cells[0], scope="row"), numbers, class_=row_class))
    own = grids.own_intervals(summary)
    notes = [*([own] if own else []), *grids.below(summary)]
    return _section("scores", "Scores", table(grid.heads, body, "scores"), [element("p", note) for note in notes])


def differences(summary: Summary) -> Markup | None:
    """The paired differences as a table and as a picture."""
    found = grids.differences(summary)
    if not found:
        return None
    rows = [
        element(
            "tr",
            element("th", one.label, scope="row"),
            element("td", one.number),
            element("td", one.verdict, class_="yes" if one.established else "no"),
        )
        for one in found
    ]
    shown = table([["", "difference", "verdict"]], rows, "paired differences")
    return _section("differences", "Differences", element("p", grids.difference_head(summary)), shown, forest(summary))


def seeds(summary: Summary) -> Markup | None:
    """Every replicate's own score in the main column, and its own differences; None if there is but one."""
    names, main = replicate_names(summary), summary["columns"][0]
    if len(names) < 2:
        return None
    rows = []
    for row in [*summary["networks"], *summary["baselines"]]:
        rows.append(_replicate_row(row["label"], row["scores"][main["name"]], main, sign=""))
    for row in summary["differences"]:
        rows.append(_replicate_row(row["label"], row, main, sign="+"))
    return _section("seeds", "Seeds side by side", table([[main["name"], *names, "mean"]], rows, "scores by seed"))


def costs(summary: Summary) -> Markup | None:
    """What the networks cost; None if nothing is known of it."""
    grid = grids.costs(summary)
    if grid is None:
        return None
    rows = [element("tr", element("th", cells[0], scope="row"), [element("td", cell) for cell in cells[1:]]) for cells in grid.rows]
    return _section("cost", "Cost", table(grid.heads, rows, "costs"), element("p", grids.cost_note(summary)))


def table(heads: Sequence[Sequence[str]], rows: Sequence[Markup], name: str) -> Markup:
    """A table that can be scrolled sideways, also with the keyboard."""
    top = [element("tr", [element("th", cell, scope="col") for cell in cells]) for cells in heads]
    inner = element("table", element("thead", top), element("tbody", list(rows)))
    return element("div", inner, class_="wide", tabindex=0, role="region", aria_label=name)


def _section(id: str, title: str, *content: object) -> Markup:
    return element("section", element("h2", title), *content, id=id)


def _each(summary: Summary, row: dict[str, Any], column: dict[str, Any]) -> str | None:
    score = row["scores"].get(column["name"])
    if score is None:
        return None
    values = [grids.plain(value, column) for value in score["values"]]
    return ", ".join(f"{name}: {value}" for name, value in zip(replicate_names(summary), values))


def _replicate_row(label: str, found: dict[str, Any], column: dict[str, Any], sign: str) -> Markup:
    values = [element("td", grids.plain(value, column, sign)) for value in found["values"]]
    return element("tr", element("th", label, scope="row"), values, element("td", grids.number(found, column, sign=bool(sign))))
