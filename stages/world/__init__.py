"""The embedded world: a data set that needs no download, drawn, encoded and documented here (docs/WORLD.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cache.stage import Stage, option

#: Named here and not taken from the table of weights, which most worlds have nothing to do with.
WEIGHTS = Path(__file__).parents[2] / "models" / "backbones" / "weights" / "small2d_world.safetensors"


#: Layout -> the module that it needs beside the rest: an edit of it is no business of the others.
MODULES = {
    "yt8m": "world.youtube8m",
    "ucf101": "world.ucf101",
    "hmdb51": "world.hmdb51",
    "kinetics": "world.kinetics",
    "thumos14": "world.thumos14",
}


@dataclass(frozen=True)
class WorldParams:
    """What world to draw."""

    layout: str = option(
        "msvd-qa", "official layout to write", choices=("msvd-qa", "msrvtt-qa", "yt8m", "ucf101", "hmdb51", "kinetics", "thumos14")
    )
    size: str = option(
        "small",
        "tiny: 16 videos, small: 120, medium: 600, large: 1000; yt8m: 42, 340, 1640, 4000; "
        "ucf101, hmdb51, kinetics: 64, 288, 576, 1440; thumos14: 14, 42, 122, 302",
        choices=("tiny", "small", "medium", "large"),
    )
    seed: int = option(0, "another seed is another world", at_least=0, at_most=2**32 - 1)

    @property
    def modules(self) -> tuple[str, ...]:
        """What the layout needs beside the rest."""
        return (MODULES[self.layout],) if self.layout in MODULES else ()

    @property
    def data(self) -> tuple[Path, ...]:
        """The weights of the network that sees the programmes."""
        return (WEIGHTS,) if self.layout == "yt8m" else ()


STAGE = Stage(name="world", entry="stages.world.run:run", params=WorldParams, modules="modules", data="data")
