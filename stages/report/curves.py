"""The training curves as a picture: the panels that an evaluation names over epochs, mean and band over replicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.evaluation.record import Panel
from models.evaluation.statistics import interval
from stages.report.canvas import canvas, label
from stages.report.grids import replicates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Records = Sequence[Mapping[str, Any]]
#: Inches for what is written above and below the panels.
LABELS = 0.7
#: epoch -> the value of each replicate
Curve = dict[int, list[float]]
COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#7b5ea7", "#5c5c5c")


def draw(
    path: Path, panels: Sequence[Panel], curves: Sequence[Records], labels: Mapping[str, str], level: float, heading: str = ""
) -> None:
    """Write the picture; none if there is nothing to draw. ``curves`` holds the records of each replicate; ``labels`` names the networks
    in order; ``heading`` says what all panels are of."""
    drawn = [(panel, {name: found for name in labels if (found := curve(panel, name, curves))}) for panel in panels]
    drawn = [(panel, networks) for panel, networks in drawn if networks]
    if not drawn:
        return
    columns = min(3, len(drawn))
    lines = -(-len(drawn) // columns)
    with canvas(path, lines, columns, (4.6 * columns, 3.2 * lines + LABELS)) as axes:
        for axis in axes.flat[len(drawn) :]:
            axis.set_visible(False)
        for axis, (panel, networks) in zip(axes.flat, drawn):
            for colour, (name, network) in zip(COLOURS * len(labels), labels.items()):
                if name in networks:
                    _line(axis, networks[name], network, colour, level)
            axis.set_title(f"{panel.title}, {panel.unit}" if panel.unit else panel.title, fontsize=10)
            axis.set_xlabel("epoch")
            axis.locator_params("x", integer=True)
            axis.grid(alpha=0.25)
            if panel.logarithmic:
                axis.set_yscale("log")
        label(axes, heading)


def heading(summary: Mapping[str, Any]) -> str:
    """What the curves are of: the data set, the replicates, and what line and band are."""
    if len(summary["replicates"]) < 2:
        return f"{summary['dataset']}: {replicates(summary)}"
    band = f"line: mean, band: its {100 * summary['level']:g} % interval (Student's t)"
    return f"{summary['dataset']}: {replicates(summary)}; {band}"


def curve(panel: Panel, name: str, curves: Sequence[Records]) -> Curve:
    """One network in one panel, over the epochs that every replicate has (early stopping may end some before others)."""
    scale = 100 if panel.unit == "%" else 1
    of_each = [{r["epoch"]: scale * r[panel.key] for r in records if r["model"] == name and panel.key in r} for records in curves]
    return {epoch: [values[epoch] for values in of_each] for epoch in of_each[0] if all(epoch in values for values in of_each)}


def _line(axis: Axes, curve: Curve, label: str, colour: str, level: float) -> None:
    points = [interval(values, level) for values in curve.values()]
    x = [1 + epoch for epoch in curve]
    axis.plot(x, [point.mean for point in points], color=colour, label=label, linewidth=1.6)
    if points[0].n > 1:
        low, high = ([point.mean + side * point.half for point in points] for side in (-1, 1))
        floor = min(min(values) for values in curve.values())  # a band below every value says nothing, and breaks a logarithmic axis
        axis.fill_between(x, [max(value, floor) for value in low], high, color=colour, alpha=0.15, linewidth=0)
