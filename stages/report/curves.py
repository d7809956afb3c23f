"""The training curves as a picture: validation accuracy and losses per epoch, mean and band over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.evaluation.statistics import interval
from stages.report.canvas import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: key of a curve record -> title and whether the axis is logarithmic; a key that no network has is left out
PANELS = {
    "val_accuracy": ("validation accuracy, %", False),
    "val_gap": ("validation GAP, %", False),
    "train_ce": ("training cross-entropy", False),
    "val_ce": ("validation cross-entropy", False),
    "train_common": ("agreement of the common graphs (training)", True),
    "train_kd_appearance": ("distillation: appearance (training)", True),
    "train_kd_motion": ("distillation: motion (training)", True),
    "train_rep": ("distillation: representation (training)", True),
    "train_pred": ("distillation: predictions (training)", True),
}
COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#7b5ea7", "#5c5c5c")


def draw(path: Path, curves: Sequence[Sequence[Mapping[str, Any]]], labels: Mapping[str, str], level: float) -> None:
    """Write the picture. ``curves`` holds the records of each seed; ``labels`` names the networks in order."""
    panels = {key: about for key, about in PANELS.items() if any(key in record for seed in curves for record in seed)}
    columns = min(3, len(panels))
    lines = -(-len(panels) // columns)
    with canvas(path, lines, columns, (4.6 * columns, 3.2 * lines)) as axes:
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        for axis, (key, (title, logarithmic)) in zip(axes.flat, panels.items()):
            for colour, (name, label) in zip(COLOURS * len(labels), labels.items()):
                _curve(axis, key, [[record for record in seed if record["model"] == name] for seed in curves], label, colour, level)
            axis.set_title(title, fontsize=10)
            axis.set_xlabel("epoch")
            axis.locator_params("x", integer=True)
            axis.grid(alpha=0.25)
            if logarithmic:
                axis.set_yscale("log")
        axes.flat[0].legend(fontsize=8)


def _curve(axis: Axes, key: str, seeds: Sequence[Sequence[Mapping[str, Any]]], label: str, colour: str, level: float) -> None:
    """One network in one panel, over the epochs that every seed has (early stopping may end some before others)."""
    scale = 100 if key.endswith(("accuracy", "gap")) else 1
    values = [[scale * record[key] for record in seed if key in record] for seed in seeds]
    epochs = min(map(len, values), default=0)
    if not epochs:
        return
    points = [interval([seed[epoch] for seed in values], level) for epoch in range(epochs)]
    x = range(1, epochs + 1)
    axis.plot(x, [point.mean for point in points], color=colour, label=label, linewidth=1.6)
    if len(values) > 1:
        low, high = ([point.mean + side * point.half for point in points] for side in (-1, 1))
        floor = min(min(seed[:epochs]) for seed in values)  # a band below every value says nothing, and breaks a logarithmic axis
        axis.fill_between(x, [max(value, floor) for value in low], high, color=colour, alpha=0.15, linewidth=0)
