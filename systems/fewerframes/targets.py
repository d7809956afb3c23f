"""Where a student's targets come from: the dump, or the teacher itself at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cache.errors import DataError
from systems.fewerframes.data import Partition, Store
from systems.fewerframes.losses import Target
from systems.fewerframes.trained import read_network

REPRESENTATION, PROBABILITIES = "representation", "probabilities"


class Dumped:
    """Targets of a dump by place in the training file, mapped into memory. Raises DataError if it was made for other videos."""

    def __init__(self, directory: Path, store: Store, device: str) -> None:
        import h5py

        path = directory / "targets.h5"
        with h5py.File(path, "r") as file:
            if [id.decode("utf-8") for id in file["ids"][:].tolist()] != store.ids:
                raise DataError(f"the dump was made for other videos than {store.path}", hint="kdpipe distill --stage dump")
            self._parts = {name: _mapped(path, file[name]) for name in (REPRESENTATION, PROBABILITIES)}
        self.width = int(self._parts[REPRESENTATION].shape[1])
        self._device = device

    def __call__(self, videos: Tensor) -> Target:
        """Targets of the videos at these places of the training file, float32."""
        rows = videos.numpy()
        return Target(*(torch.from_numpy(part[rows].astype(np.float32)).to(self._device) for part in self._parts.values()))


class Online:
    """The teacher's answers, computed at every step.

    ``training`` runs it in training mode, as the re-implementation did (quirk 4): dropout and batch statistics make its targets noisy.
    Its moving statistics move then (quirk 5), but only in this process: the artifact stays as it is.
    """

    def __init__(self, directory: Path, store: Store, device: str, *, training: bool) -> None:
        self._network = read_network(directory, device)
        self._network.model.train(training)
        self._partition = Partition(store, self._network.view)
        self._device = device
        self.width = representation_width(self._network.about["arguments"])

    def __call__(self, videos: Tensor) -> Target:
        """Targets of the videos at these places of the training file."""
        out = self._network.predict(self._partition.batch(videos, self._device))
        return Target(out.representation, out.probabilities)


class Pair(nn.Module):
    """A teacher and a student that train in one loop."""

    def __init__(self, teacher: nn.Module, student: nn.Module) -> None:
        super().__init__()
        self.teacher = teacher
        self.student = student


def representation_width(arguments: dict[str, Any]) -> int:
    """Length of the representation of a network."""
    return 4 * int(arguments["cells"]) if arguments["network"] == "hlstm" else int(arguments["hidden"])


def _mapped(path: Path, dataset: Any) -> Any:
    return np.memmap(path, dataset.dtype, "r", dataset.id.get_offset(), dataset.shape)
