"""The parameters of the stages. Defaults are the published recipe (spec E); a switch that is '' has the value of ``preset``.

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

MODALITIES = ("rgb", "depth", "flow", "skeleton")
VARIANTS = ("shift", "shift-otam", "plain", "joint", "two", "two-shift", "four", "pairs-three", "pairs-four")
KINDS = ("trx", "trm", "baseline", "strm")
SHAPES = ("bare", "plain", "d2m", "pooled-d2m", "strm", "strm-d2m")
HEADS = (
    "trx", "ctx", "trx-two", "trx-support", "d2m", "d2m-both", "trx-prototypes",
    "distance", "distance-two", "distance-support", "distance-d2m", "strm", "strm-two", "strm-support", "strm-d2m",
)  # fmt: skip
OBJECTIVES = (
    "ce", "cece", "KD", "Dist_KD", "wsl", "KL_feature", "support_sim", "fc_2", "fc_2_wsl", "fc_2_sup", "fc_2_sup_dist", "fc_2_sup_kl",
    "fc_2_sup_dist_cece", "fc_2_sup_klklcece", "fc_2_sup_distdistcece", "fc_2_sup_disver", "fc_2_sup_dist_wsl", "fc_2_sup_2", "fc_1_sup",
    "e_dist_1fc_sup", "fc_sup", "strm", "strm_KD", "strm_fc_2_sup_dist", "strm_1fc_sup",
)  # fmt: skip

#: When a parameter counts: where a network is trained and not taken as it is; where it is validated; where it has a teacher.
TRAINED = {"checkpoint": ("",)}
VALIDATED = {"select": ("val",), "checkpoint": ("",)}
TAUGHT = {"learns_from": ("fused", "rgb")}


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
        "how a trunk learns on a CPU: 'lean', in half of the time and the memory, or 'plain'; they differ in last bits",
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


@dataclass(frozen=True)
class ExpertParams(PicturesParams):
    """Parameters of a network of one modality; the graph decides the modality."""

    modality: str = option("rgb", "what it sees", choices=MODALITIES)
    kind: str = option("trx", "its pooling and head", choices=KINDS)
    cardinalities: tuple[int, ...] = option(
        (2,), "tuples of so many frames are compared", at_least=1, at_most=8, distinct=True, when={"kind": ("trx", "trm", "strm")}
    )


@dataclass(frozen=True)
class TeacherParams(TrainParams):
    """Parameters of the teacher; the graph decides the modalities, rgb first, in the published order."""

    modalities: tuple[str, ...] = option(("rgb", "depth", "flow"), "what it fuses", choices=MODALITIES, distinct=True)
    variant: str = option(
        "", "which blocks; '' is 'two', 'shift' (published) or 'four', by the number of modalities", choices=("", *VARIANTS)
    )
    episodes: int = option(50_015, "episodes of the training", at_least=1, at_most=100_000_000, when=TRAINED)
    layers: int = option(2, "of a block's encoder", at_least=1, at_most=100)
    feedforward: int = option(2048, "width of the encoder's feed-forward part", at_least=1, at_most=65_536)
    shift: int = option(1, "frames by which a modality is shifted", at_least=0, at_most=255)
    cardinalities: tuple[int, ...] = option((2,), "tuples of so many frames are compared", at_least=1, at_most=8, distinct=True)
    standardise: str = option(
        "none",
        "not published; 'train': every number of a feature gets mean 0 and deviation 1 over the training videos. Features of a deviation "
        "far below 1 drown in the first position vectors, whose deviation is 1",
        choices=("none", "train"),
        when=TRAINED,
    )
    flow_train: str = option("", "a switch: the flow while it trains and is evaluated", choices=("", "rotate", "none"))
    query: str = option("", "a switch: the queries of 'two-shift'", choices=("", "rotate", "none"))
    otam_logits: str = option("", "a switch: what the head of 'shift-otam' gives out", choices=("", "distance", "softmax"))

    @property
    def chosen(self) -> str:
        """The variant."""
        return self.variant or {2: "two", 3: "shift", 4: "four"}[len(self.modalities)]


@dataclass(frozen=True)
class StudentParams(PicturesParams):
    """Parameters of a student; the graph decides what it learns from: fused features, those of rgb, or none."""

    backbone: str = option("resnet18", "the trunk: an image network of the registry (docs/BACKBONES.md)")
    learns_from: str = option("none", "whose features it learns from", choices=("fused", "rgb", "none"))
    shape: str = option("", "branches; '' is 'd2m' with a teacher, 'plain' alone", choices=("", *SHAPES))
    head: str = option("", "what is compared; '' fits the shape", choices=("", *HEADS))
    dim: int = option(2048, "width of a branch", at_least=1, at_most=65_536)
    objective: str = option("", "'' is that of the preset with a teacher, the labels of all branches alone", choices=("", *OBJECTIVES))
    temperature: float = option(4.0, "tau of KD", above=0, at_most=1000, when=TAUGHT)
    episodes: int = option(70_010, "episodes of the training", at_least=1, at_most=100_000_000, when=TRAINED)
    milestones: tuple[int, ...] = option(
        (20_000, 40_000), "after so many episodes the rate is multiplied by decay", at_least=1, at_most=100_000_000, when=TRAINED
    )
    queries: int = option(5, "queries of each class", at_least=1, at_most=1000, when=TRAINED)
    support_grouping: str = option("", "a switch: groups of the support distances", choices=("", "label", "position"))
    teacher_head: str = option(
        "", "a switch: the head on the teacher's features is the teacher's, or of random weights", choices=("", "checkpoint", "random"),
        when=TAUGHT,
    )  # fmt: skip
    teacher_dropout: str = option("", "a switch: dropout in that head", choices=("", "off", "on"), when=TAUGHT)


@dataclass(frozen=True)
class DumpParams(Preset):
    """Parameters of the dump of one modality; the graph decides the network, which is the expert's."""

    backbone: str = option("resnet50", "the trunk of the expert")
    dump_view: str = option("", "a switch: the middle of the frames, or cropped and mirrored at random", choices=("", "centre", "random"))
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    max_lost: float = option(0.0, "fraction of videos whose features may be not finite", keyed=False, at_least=0, at_most=1)

    @property
    def modules(self) -> tuple[str, ...]:
        """The module that is imported by name for the trunk."""
        return (module_of(find(self.backbone)),)

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose arithmetic the trunk is."""
        library = find(self.backbone).library
        return (library,) if library else ()


@dataclass(frozen=True)
class FuseParams(Preset):
    """Parameters of the dump of the teacher; the graph decides the modalities."""

    modalities: tuple[str, ...] = option(("rgb", "depth", "flow"), "what it fuses", choices=MODALITIES, distinct=True)
    flow_dump: str = option("", "a switch: the flow in dumps", choices=("", "rotate", "none"))
    plain_dump: str = option("", "a switch: the pairs of the variant 'plain' in dumps", choices=("", "rotate", "none"))
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    max_lost: float = option(0.0, "fraction of videos whose features may be not finite", keyed=False, at_least=0, at_most=1)


@dataclass(frozen=True)
class EvaluateParams:
    """Parameters of the evaluation; the graph decides the networks."""

    backbones: tuple[str, ...] = option((), "trunks of the students")
    way: int = option(5, "classes of an episode", at_least=2, at_most=1000)
    shots: tuple[int, ...] = option((5, 1), "support clips of each class: one column each", at_least=1, at_most=1000, distinct=True)
    queries: int = option(1, "queries of each class", at_least=1, at_most=1000)
    episodes: int = option(10_000, "episodes, the same for every network and every seed", at_least=2, at_most=100_000_000)
    episode_seed: int = option(0, "of these episodes", at_least=0, at_most=2**32 - 1)
    batch_size: int = option(4, "videos at a time; in the key, because it can change the last bits", at_least=1, at_most=10_000)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that are imported by name for the trunks."""
        return tuple(sorted({module_of(find(backbone)) for backbone in self.backbones}))

    @property
    def libraries(self) -> tuple[str, ...]:
        """The packages whose arithmetic the trunks are."""
        return tuple(sorted({library for backbone in self.backbones if (library := find(backbone).library)}))


@dataclass(frozen=True)
class TimingParams:
    """Parameters of the timing; the graph decides the networks."""

    backbones: tuple[str, ...] = option((), "trunks of the networks")
    way: int = option(5, "classes of an episode", at_least=2, at_most=1000)
    shot: int = option(5, "support clips of each class", at_least=1, at_most=1000)
    queries: int = option(1, "queries of each class", at_least=1, at_most=1000)
    repeats: int = option(5, "the median of so many runs counts", at_least=1, at_most=100_000)
    batch_size: int = option(2, "episodes per run of the batched figure", at_least=1, at_most=10_000)
    threads: int = option(1, "CPU threads of one operation", at_least=1, at_most=1024)

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that are imported by name for the trunks."""
        return tuple(sorted({module_of(find(backbone)) for backbone in self.backbones}))
