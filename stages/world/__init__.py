"""The embedded world: a data set that needs no download, drawn, encoded and documented here (docs/WORLD.md)."""

from __future__ import annotations

from dataclasses import dataclass

from cache.stage import Stage, option


@dataclass(frozen=True)
class WorldParams:
    """What world to draw."""

    layout: str = option("msvd-qa", "official layout to write", choices=("msvd-qa", "msrvtt-qa"))
    size: str = option("small", "tiny: 16 videos, small: 120, medium: 600, large: 1000", choices=("tiny", "small", "medium", "large"))
    seed: int = option(0, "another seed is another world")


STAGE = Stage(name="world", entry="stages.world.run:run", params=WorldParams)
