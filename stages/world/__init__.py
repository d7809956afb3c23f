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
    "kinetics-sound": "world.kinetics_sound",
    "esc50": "world.esc50",
    "fsd50k": "world.fsd50k",
}

#: The layouts of which one can say what is shown.
ACTED = {"layout": ("ucf101", "hmdb51", "kinetics", "thumos14", "kinetics-sound")}
#: Those of drawn actions of which one can also say how many clips there are.
TRIMMED = {"layout": ("ucf101", "hmdb51", "kinetics")}


@dataclass(frozen=True)
class WorldParams:
    """What world to draw."""

    layout: str = option(
        "msvd-qa",
        "official layout to write",
        choices=("msvd-qa", "msrvtt-qa", "yt8m", "ucf101", "hmdb51", "kinetics", "thumos14", "kinetics-sound", "esc50", "fsd50k"),
    )
    size: str = option(
        "small",
        "tiny: 16 videos, small: 120, medium: 600, large: 1000; yt8m: 42, 340, 1640, 4000; "
        "ucf101, hmdb51, kinetics: 64, 288, 576, 1440; thumos14: 14, 42, 122, 302; kinetics-sound: 32, 288, 768, 1920; "
        "esc50: 50, 240, 480, 960; fsd50k: 56, 260, 800, 2500",
        choices=("tiny", "small", "medium", "large"),
    )
    seed: int = option(0, "another seed is another world", at_least=0, at_most=2**32 - 1)
    actions: tuple[str, ...] = option((), "the classes, by name (docs/WORLD.md); none: all of the size", distinct=True, when=ACTED)
    setting: str = option(
        "varied",
        "plain: one person, in one street (kinetics-sound: where the class usually is), before a camera that does not move",
        choices=("varied", "plain"),
        when=ACTED,
    )
    clips: int = option(0, "of a class; 0: as many as the size has", at_least=0, at_most=999, when=TRIMMED)
    groups: int = option(
        0,
        "of a class, each of other people; its clips are spread over them; 0: as many as the size has",
        at_least=0,
        at_most=99,
        when=TRIMMED,
    )

    @property
    def modules(self) -> tuple[str, ...]:
        """What the layout needs beside the rest."""
        return (MODULES[self.layout],) if self.layout in MODULES else ()

    @property
    def data(self) -> tuple[Path, ...]:
        """The weights of the network that sees the programmes."""
        return (WEIGHTS,) if self.layout == "yt8m" else ()


STAGE = Stage(name="world", entry="stages.world.run:run", params=WorldParams, modules="modules", data="data")
