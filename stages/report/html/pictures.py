"""The pictures of a report: everything that was recorded while the networks learnt, scores against costs, differences with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.evaluation.record import Panel
from models.evaluation.statistics import interval
from stages.report import grids
from stages.report.curves import curve
from stages.report.html.axes import Axis, tick_text
from stages.report.html.markup import Markup, element
from stages.report.html.plot import Line, figure
from stages.report.tradeoff import costs_of_all, families

Summary = Mapping[str, Any]
Records = Sequence[Mapping[str, Any]]
#: What a record of a curve has that is no number to draw.
PLACES = ("epoch", "model")


def curves(panels: Sequence[Panel], records: Sequence[Records], summary: Summary) -> tuple[list[Markup], list[Markup]]:
    """The panels that the system draws, and whatever else was recorded. ``records`` are those of each replicate."""
    labels = {row["name"]: row["label"] for row in summary["networks"]}
    named = {panel.key for panel in panels}
    others = dict.fromkeys(key for each in records for record in each for key, value in record.items() if _is_number(value))
    rest = [Panel(key, key) for key in others if key not in named and key not in PLACES]
    return tuple([one for panel in some if (one := _panel(panel, records, labels, summary))] for some in (panels, rest))  # type: ignore[return-value]


def tradeoff(summary: Summary) -> list[Markup]:
    """Score against every cost, a line a series; none if no network belongs to a series."""
    found, main = families(summary["networks"]), summary["columns"][0]
    scale = 100 if main["unit"] == "%" else 1
    made = []
    for axis, cost in costs_of_all(summary, [one for family in found.values() for one in family]).items():
        lines = []
        for colour, (series, family) in enumerate(found.items()):
            points = sorted(((cost(one), one["scores"][main["name"]]) for one in family), key=lambda point: point[0])
            halves = [None if score["half"] is None else scale * score["half"] for _, score in points]
            each = [[scale * value for value in score["values"]] for _, score in points]
            lines.append(Line(series, colour, [x for x, _ in points], [scale * s["mean"] for _, s in points], halves, each))
        title = ", ".join(filter(None, (summary["metric"], main["unit"])))
        if lines:
            made.append(figure(title, axis, lines, replicate_names(summary), dots=True))
    return made


def forest(summary: Summary) -> Markup | None:
    """The paired differences as intervals around a line at 0; None if there are no intervals."""
    rows, main = [row for row in summary["differences"] if row["half"] is not None], summary["columns"][0]
    if not rows:
        return None
    scale = 100 if main["unit"] == "%" else 1
    ends = [scale * (row["mean"] + side * row["half"]) for row in rows for side in (-1, 1)]
    axis, wide, high, names = Axis.over([0.0, *ends], margin=0.05), 440, 24, 0
    pieces = []
    for value in axis.ticks():
        at = round(names + axis.place(value) * wide, 1)
        pieces.append(element("line", class_="grid" + (" zero" if value == 0 else ""), x1=at, x2=at, y1=0, y2=len(rows) * 2 * high))
        pieces.append(element("text", tick_text(value), x=at, y=len(rows) * 2 * high + 14, text_anchor="middle"))
    for place, row in enumerate(rows):
        y = 2 * place * high + high + 14
        low, mean, top = (round(axis.place(scale * (row["mean"] + side * row["half"])) * wide, 1) for side in (-1, 0, 1))
        told = f"{row['label']}: {grids.number(row, main, sign=True)}"
        pieces.append(element("text", row["label"], x=4, y=y - 12, class_="row"))
        pieces.append(element("line", class_="whisker" if row["excludes_zero"] else "whisker open", x1=low, x2=top, y1=y, y2=y))
        pieces.append(element("circle", element("title", told), class_="k0", cx=mean, cy=y, r=4))
        for value in row["values"]:
            pieces.append(element("circle", class_="dot", cx=round(axis.place(scale * value) * wide, 1), cy=y, r=2))
    told = "; ".join(f"{row['label']} {grids.number(row, main, sign=True)}" for row in rows)
    return element("svg", *pieces, viewBox=f"-20 0 {wide + 40} {len(rows) * 2 * high + 20}", role="img", class_="forest", aria_label=told)


def replicate_names(summary: Summary) -> list[str]:
    """What each replicate is called: by seed, and fold if there are some."""
    return [f"seed {one['seed']}" + (f", fold {one['fold']}" if one["fold"] else "") for one in summary["replicates"]]


def _panel(panel: Panel, records: Sequence[Records], labels: Mapping[str, str], summary: Summary) -> Markup | None:
    lines = []
    for colour, (name, label) in enumerate(labels.items()):
        found = curve(panel, name, records)
        if found:
            points = [interval(values, summary["level"]) for values in found.values()]
            halves = [point.half if point.n > 1 else None for point in points]
            epochs = [1.0 + epoch for epoch in found]
            lines.append(Line(label, colour, epochs, [point.mean for point in points], halves, list(found.values())))
    title = f"{panel.title}, {panel.unit}" if panel.unit else panel.title
    return figure(title, "epoch", lines, replicate_names(summary), logarithmic=panel.logarithmic) if lines else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
