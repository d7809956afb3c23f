"""What the parameters of several stages have in common. Defaults are published (spec E); a switch that is '' has the value of ``preset``.

What a switch decides stands in ``switches.py``. Nothing here imports torch: ``kdpipe status`` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cache.stage import option
from models.backbones.registry import Backbone, find, module_of
from models.training.lean import BACKBONES, SOURCES
from models.weights import WEIGHTS, Weights, of_backbone
from systems.litemkd.switches import PRESETS

#: When a parameter counts: where a network is trained and not taken as it is; where it is validated.
TRAINED = {"checkpoint": ("",)}
VALIDATED = {"select": ("val",), "checkpoint": ("",)}


@dataclass(frozen=True)
class Preset:
    """A record whose switches have the value of the preset where they are ''."""

    falls_back_to: ClassVar[str] = "train"

    preset: str = option(
        "paper", "'paper': its figure, with the code's mistakes mended; 'released': the code, to the letter", choices=tuple(PRESETS)
    )

    def switch(self, name: str) -> str:
        """The value of a switch."""
        return str(getattr(self, name) or PRESETS[self.preset]["switches"][name])


@dataclass(frozen=True)
class TrainParams(Preset):
    """What all networks have in common that are trained on episodes."""

    checkpoint: str = option("", "path of a published checkpoint to take as it is, instead of training")
    way: int = option(5, "classes of an episode", at_least=2, at_most=1000, when=TRAINED)
    shot: int = option(5, "support clips of each class", at_least=1, at_most=1000, when=TRAINED)
    queries: int = option(4, "queries of each class", at_least=1, at_most=1000, when=TRAINED)
    episodes: int = option(50_010, "episodes of the training", at_least=1, at_most=100_000_000, when=TRAINED)
    optimiser: str = option("sgd", "", choices=("sgd", "adam"), when=TRAINED)
    lr: float = option(1e-4, "first learning rate", above=0, at_most=10, when=TRAINED)
    milestones: tuple[int, ...] = option(
        (), "after so many episodes the rate is multiplied by decay", at_least=1, at_most=100_000_000, when=TRAINED
    )
    decay: float = option(0.1, "see milestones", above=0, at_most=1, when=TRAINED, unless=({"milestones": ((),)},))
    momentum: float = option(0.0, "of sgd", at_least=0, below=1, when={"optimiser": ("sgd",), "checkpoint": ("",)})
    weight_decay: float = option(0.0, "of all parameters", at_least=0, at_most=1, when=TRAINED)
    clip: float = option(0.0, "largest norm of the whole gradient (0: any)", at_least=0, at_most=1_000_000, when=TRAINED)
    accumulate: int = option(16, "episodes whose gradients are summed for a step", at_least=1, at_most=10_000, when=TRAINED)
    first_step: str = option(
        "",
        "episodes before the first step: 'full' as many as for the others, 'short' one fewer",
        choices=("", "full", "short"),
        when=TRAINED,
    )
    record_every: int = option(
        1600,
        "episodes of an 'epoch' of the curves, after which it may be validated and kept; a multiple of accumulate",
        at_least=1,
        at_most=10_000_000,
        when=TRAINED,
    )
    select: str = option(
        "last", "keep the last weights, or the best ones on episodes of few-shot/val", choices=("last", "val"), when=TRAINED
    )
    val_episodes: int = option(200, "episodes of a validation", at_least=1, at_most=1_000_000, when=VALIDATED)
    frames: int = option(8, "frames of a video", at_least=2, at_most=256)
    out_dim: int = option(1152, "width of keys and values of the head", at_least=1, at_most=65_536)
    dropout: float = option(0.1, "everywhere", at_least=0, below=1)
    seed: int = option(0, "of the first weights, the episodes and the dropout", at_least=0, at_most=2**32 - 1)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)


@dataclass(frozen=True)
class PicturesParams(TrainParams):
    """What networks have in common that see pictures."""

    backbone: str = option("resnet50", "the trunk: an image network of the registry (docs/BACKBONES.md)")
    weights: str = option(
        "imagenet1k_v1",
        "what the trunk starts from: a published name (needs weights_file, which is checked), 'world' (shipped, for small2d and pose2d), "
        "'file' (weights_file as it is), 'random'",
        when=TRAINED,
    )
    weights_file: str = option(
        "",
        "path of the trunk's first weights; keyed by its content",
        when=TRAINED,
        unless=({"weights": ("random",)}, {"weights": ("world",), "backbone": ("small2d", "pose2d")}),
    )
    image_size: int = option(
        224, "pixels of a crop's side; the short side is resized to 8/7 of it", at_least=7, at_most=4096, multiple_of=7
    )
    normalise: str = option("", "mean and deviation of ImageNet on the input, or none, as published", choices=("", "none", "imagenet"))
    trunk: str = option(
        "trained",
        "'frozen': the trunk keeps its first weights, and what it makes of every clip is computed once, for a laptop",
        choices=("trained", "frozen"),
        when=TRAINED,
    )
    step: str = option(
        "lean",
        "how a trunk learns on a CPU: 'lean', in half of the time and the memory, which needs a C compiler and AVX2, or 'plain'; they "
        "differ in last bits",
        choices=("lean", "plain"),
        when={"backbone": BACKBONES, "trunk": ("trained",), "checkpoint": ("",)},
    )
    views: int = option(
        1, "in how many ways a clip is seen by a frozen trunk: 1 is the middle, others are random", at_least=1, at_most=1000,
        when={"trunk": ("frozen",), "checkpoint": ("",)},
    )  # fmt: skip
    cache_mb: float = option(2048.0, "decoded clips that are kept in memory", keyed=False, at_least=0, at_most=10_000_000)

    @property
    def network(self) -> Backbone:
        """The registry's entry of the trunk. Raises ConfigError for one that is none, or sees no images."""
        return find(self.backbone, "appearance")

    @property
    def published(self) -> list[Weights]:
        """The known weights of the trunk."""
        return of_backbone(self.backbone)

    @property
    def named_weights(self) -> str:
        """The short name of the weights, "" of a checkpoint, which has them all."""
        return "" if self.checkpoint else self.weights

    @property
    def modules(self) -> tuple[str, ...]:
        """The module that is imported by name for it."""
        return (module_of(self.network),)

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose arithmetic it is."""
        return (self.network.library,) if self.network.library else ()

    @property
    def data(self) -> tuple[Path, ...]:
        """The shipped weights, if they are the first ones, and the C that a lean step is made of."""
        known = WEIGHTS.get(f"{self.backbone}.{self.weights}")
        first = (known.path,) if known is not None and known.shipped and not self.checkpoint else ()
        lean = self.step == "lean" and self.backbone in BACKBONES and self.trunk == "trained" and not self.checkpoint
        return first + SOURCES if lean else first
