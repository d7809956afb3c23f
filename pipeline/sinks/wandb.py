"""Epochs in a project of Weights & Biases: a run for each training; ``WANDB_MODE=offline`` keeps them on this machine."""

from __future__ import annotations

from typing import Any

from cache.stage import Epoch
from pipeline.sinks.sink import Run, Sink


class WeightsAndBiases:
    """One run."""

    def __init__(self, run: Any) -> None:
        self._run = run

    def epoch(self, epoch: Epoch) -> None:
        """Log the record at the number of its epoch."""
        self._run.log({name: value for name, value in epoch.record.items() if name != "epoch"}, step=epoch.number)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def open_sink(place: str, run: Run) -> Sink:
    """A run in the project ``place``; the same training goes on in the same run."""
    import wandb

    about = {"system": run.system, "dataset": run.dataset, "node": run.node, "key": run.key}
    id = f"{run.node}-{run.key[:16]}".replace("/", "-").replace(":", "-")
    settings = {**run.settings, **about}
    return WeightsAndBiases(wandb.init(project=place, id=id, name=run.name, resume="allow", config=settings))
