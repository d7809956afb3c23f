"""Epochs as scalars for TensorBoard: a folder for each training, named after its node and key."""

from __future__ import annotations

import importlib
from typing import Any

from cache.stage import Epoch
from pipeline import paths
from pipeline.sinks.sink import Run, Sink


class TensorBoard:
    """Writes event files into ``folder``."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._writer: Any = None

    def epoch(self, epoch: Epoch) -> None:
        """Every number of the record, at the number of its epoch; of a training that goes on, what was written of later ones is hidden."""
        if self._writer is None:
            self._writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter(self._folder, purge_step=epoch.number)
        for name, value in epoch.record.items():
            if name != "epoch":
                part, _, rest = name.partition("_")
                self._writer.add_scalar(f"{part}/{rest}" if rest else name, value, epoch.number)
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        if self._writer is not None:
            self._writer.close()


def open_sink(place: str, run: Run) -> Sink:
    """A sink below the directory ``place``."""
    return TensorBoard(str(paths.expanded(place) / run.name))
