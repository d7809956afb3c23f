"""What a network's answers cost, as a picture: its score against every cost that sets the networks apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.report.canvas import canvas
from stages.report.curves import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: key of a cost -> (what the axis is called, what its values are divided by)
COSTS = {"frames": ("frames that it sees", 1.0), "flops": ("MFLOPs", 1e6), "ms_alone": ("ms, one at a time", 1.0)}


def families(models: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Networks of one ``series`` (trained alike, of several costs) by its name, in their order; those of none are left out."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for model in models:
        if model.get("series"):
            found.setdefault(model["series"], []).append(model)
    return found


def draw(path: Path, summary: Mapping[str, Any]) -> None:
    """Write the picture: a line a series over each cost, with intervals over seeds; other networks as dashed lines across."""
    models, costs = summary["models"], [key for key in COSTS if all(key in model for model in summary["models"])]
    with canvas(path, 1, len(costs), (4.6 * len(costs), 3.6), sharey=True) as axes:
        for axis, key in zip(axes.flat, costs, strict=True):
            name, unit = COSTS[key]
            for colour, (label, family) in zip(COLOURS * len(models), families(models).items()):
                _line(axis, [(model[key] / unit, model["accuracy"]) for model in family], label, colour)
            for model in models:
                if not model.get("series"):
                    axis.axhline(100 * model["accuracy"]["mean"], color="black", linestyle="--", linewidth=1, label=model["label"])
            axis.set_xlabel(f"{name}, per {summary['unit']}" if key != "frames" else name)
            axis.grid(alpha=0.25)
        axes.flat[0].set_ylabel(f"{summary['metric']}, %")
        axes.flat[0].legend(fontsize=8)


def _line(axis: Axes, points: Sequence[tuple[float, Mapping[str, Any]]], label: str, colour: str) -> None:
    points = sorted(points, key=lambda point: point[0])
    means = [100 * value["mean"] for _, value in points]
    halves = [100 * (value["half"] or 0.0) for _, value in points]
    axis.errorbar([x for x, _ in points], means, halves, label=label, color=colour, marker="o", markersize=4, capsize=3, linewidth=1.2)
