"""How long networks take, as ``timing.json`` (measured by :mod:`models.timing`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cache.json_files import read_json, write_json


@dataclass(frozen=True)
class Times:
    """Milliseconds of one sample alone, and of one in a batch."""

    ms_alone: float
    ms_in_batch: float


@dataclass(frozen=True)
class Timing:
    """Times by network, and how they were measured: the median of ``repeats``. ``sample``: what one is, "" if an item of the evaluation."""

    models: Mapping[str, Times]
    batch_size: int
    repeats: int
    threads: int
    device: str
    sample: str = ""

    def write(self, out: Path) -> None:
        """Write ``timing.json``."""
        write_json(out / "timing.json", dataclasses.asdict(self))

    @classmethod
    def read(cls, directory: Path) -> Timing:
        """Read it back."""
        raw = read_json(directory / "timing.json")
        return cls(**{**raw, "models": {name: Times(**times) for name, times in raw["models"].items()}})
