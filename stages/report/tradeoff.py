"""What a network's answers cost, as a picture: its score against every cost that sets the networks apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.report.canvas import canvas, label
from stages.report.curves import COLOURS, LABELS
from stages.report.grids import replicates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Model = Mapping[str, Any]


def draw(path: Path, summary: Mapping[str, Any]) -> None:
    """Write the picture: a line a series over each cost, with intervals over replicates; other networks as dashed lines across.

    There is none if no network belongs to a series, or nothing that they cost is known.
    """
    models, main = summary["networks"], summary["columns"][0]
    found = families(models)
    costs = costs_of_all(summary, [model for family in found.values() for model in family])
    if not found or not costs:
        return
    scale = 100 if main["unit"] == "%" else 1
    with canvas(path, 1, len(costs), (4.6 * len(costs), 3.6 + LABELS), sharey=True) as axes:
        for axis, (name, cost) in zip(axes.flat, costs.items(), strict=True):
            for colour, (series, family) in zip(COLOURS * len(models), found.items()):
                _line(axis, [(cost(model), model["scores"][main["name"]]) for model in family], series, colour, scale)
            for model in models:
                if not model["series"]:
                    mean = model["scores"][main["name"]]["mean"]
                    axis.axhline(scale * mean, color="black", linestyle="--", linewidth=1, label=model["label"])
            axis.set_xlabel(name)
            axis.grid(alpha=0.25)
        axes.flat[0].set_ylabel(", ".join(filter(None, (summary["metric"], main["unit"]))))
        label(axes, _heading(summary))


def _heading(summary: Mapping[str, Any]) -> str:
    bars = f"; mean, bars: its {100 * summary['level']:g} % interval (Student's t)" if len(summary["replicates"]) > 1 else ""
    return f"{summary['dataset']}: {replicates(summary)}{bars}"


def families(models: Sequence[Model]) -> dict[str, list[Model]]:
    """Networks of one ``series`` by its name, in their order; those of none are left out."""
    found: dict[str, list[Model]] = {}
    for model in models:
        if model["series"]:
            found.setdefault(model["series"], []).append(model)
    return found


def costs_of_all(summary: Mapping[str, Any], models: Sequence[Model]) -> dict[str, Callable[[Model], float]]:
    """What an axis is called -> a network's place on it, for every cost that all ``models`` have."""
    found: dict[str, Callable[[Model], float]] = {}
    for cost in summary["costs"]:
        if cost["axis"] and all(cost["key"] in model["costs"] for model in models):
            found[cost["axis"]] = lambda model, cost=cost: model["costs"][cost["key"]] / cost["per"]  # type: ignore[misc]
    if all(model["times"] for model in models):
        sample = (summary["timing"] or {}).get("sample") or summary["items"]["one"]
        found[f"ms, one at a time, per {sample}"] = lambda model: model["times"]["ms_alone"]
    return found


def _line(axis: Axes, points: Sequence[tuple[float, Mapping[str, Any]]], label: str, colour: str, scale: float) -> None:
    points = sorted(points, key=lambda point: point[0])
    means = [scale * value["mean"] for _, value in points]
    halves = [scale * (value["half"] or 0.0) for _, value in points]
    axis.errorbar([x for x, _ in points], means, halves, label=label, color=colour, marker="o", markersize=4, capsize=3, linewidth=1.2)
