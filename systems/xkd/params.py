"""The stages of this system: their parameters. Defaults are the published settings, with the code's mistakes mended (spec 7 to 10).

A switch that is '' has the value of ``preset`` (:mod:`systems.xkd.switches`). Nothing here imports torch: ``kdpipe status`` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cache.stage import option
from systems.xkd.sizes import ViewSizes
from systems.xkd.switches import switches

#: what a pre-training learns from -> whether it aligns the modalities, whether they teach one another
LEARNS = {"full": (True, True), "kd": (False, True), "align": (True, False), "recon": (False, False), "random": (False, False)}
ALL = tuple(LEARNS)
TRAINED = {"learns": ("full", "kd", "align", "recon"), "checkpoint": ("",), "video_checkpoint": ("",), "audio_checkpoint": ("",)}
ALIGNED = {**TRAINED, "learns": ("full", "align")}
TAUGHT = {**TRAINED, "learns": ("full", "kd")}
TIED = {**TRAINED, "learns": ("full", "kd", "align")}
MODALITIES = ("video", "audio")


@dataclass(frozen=True)
class Preset:
    """Switches that are '' follow the preset."""

    preset: str = option("fixed", "the published code's mistakes mended, or to the letter", choices=("fixed", "released"))

    def switch(self, name: str) -> str:
        """The value of a switch."""
        return str(getattr(self, name) or switches(self.preset)[name])


@dataclass(frozen=True)
class PretrainParams(Preset):
    """Parameters of the pre-training, and of encoders that are taken from files; the graph decides what it learns from, and the split."""

    learns: str = option("full", "which losses it has; 'random': it is not trained", choices=ALL)
    variant: str = option(
        "xkd", "which blocks are shared: none, the students' (mas), the teachers' too", choices=("xkd", "xkd_mas", "xkd_mats")
    )
    split: str = option("train", "whose clips it sees, without their labels", when=TRAINED)
    checkpoint: str = option("", "path of a published training state to take as it is")
    video_checkpoint: str = option("", "path of a published video encoder to take as it is", when={"checkpoint": ("",)})
    audio_checkpoint: str = option("", "path of a published audio encoder to take as it is", when={"checkpoint": ("",)})
    publish: bool = option(False, "write the encoders as published files too (vid_student.pth.tar ...)")

    width: int = option(768, "of the encoders", at_least=1, at_most=65_536)
    depth: int = option(12, "blocks of an encoder", at_least=1, at_most=1000)
    heads: int = option(12, "of the attention", at_least=1, at_most=1000)
    decoder_width: int = option(384, "of the decoders", at_least=1, at_most=65_536)
    decoder_depth: int = option(4, "blocks of a decoder", at_least=1, at_most=1000)
    decoder_heads: int = option(12, "of its attention", at_least=1, at_most=1000)
    hidden: int = option(2048, "width of the heads' hidden layers", at_least=1, at_most=1_000_000)
    bottleneck: int = option(256, "width of what the last layer of a head sees", at_least=1, at_most=1_000_000)
    out: int = option(8192, "outputs of a head", at_least=2, at_most=10_000_000)

    fps: float = option(8.0, "frames a second, which must be those that are sampled", above=0, at_most=1000)
    frames: int = option(32, "of a clip", at_least=1, at_most=100_000)
    size: int = option(112, "pixels of a clip's side", at_least=1, at_most=4096)
    cuboid: int = option(4, "frames of a cuboid", at_least=1, at_most=1000)
    patch: int = option(16, "pixels of its side", at_least=1, at_most=4096)
    bands: int = option(80, "of a log-mel", at_least=1, at_most=10_000)
    patch_bands: int = option(4, "bands of an audio patch", at_least=1, at_most=10_000)
    patch_columns: int = option(16, "columns of an audio patch", at_least=1, at_most=10_000)
    rate: int = option(16_000, "samples a second, which must be those that are kept", at_least=1000, at_most=192_000)
    hop: int = option(143, "samples between columns", at_least=1, at_most=1_000_000)
    window: int = option(1024, "samples of a column", at_least=2, at_most=1_000_000)
    local_frames: int = option(8, "of a local clip, and so long is local sound", at_least=1, at_most=100_000, when=TIED)
    local_size: int = option(96, "pixels of a local clip's side", at_least=1, at_most=4096, when=TIED)
    local_video_views: int | None = option(None, "null: as published, 1, and 3 of xkd_mas", at_least=0, at_most=100, when=TIED)
    local_audio_views: int = option(1, "of a clip's sound", at_least=0, at_most=100, when=TIED)

    video_ratio: float = option(0.85, "share of the cuboids that are hidden", above=0, below=1, when=TRAINED)
    audio_ratio: float = option(0.80, "share of the audio patches that are hidden", above=0, below=1, when=TRAINED)
    align: float = option(1.0, "weight of the alignment", above=0, at_most=1_000_000, when=ALIGNED)
    distil: float = option(1.0, "weight of the distillation", above=0, at_most=1_000_000, when=TAUGHT)
    reconstruct: float = option(5.0, "weight of the reconstruction", at_least=0, at_most=1_000_000, when=TRAINED)
    refine: str = option("mean", "how attention weighs a teacher's patches", choices=("mean", "softmax"), when=TIED)
    student_temperature: float = option(0.1, "of both students", above=0, at_most=1000, when=TAUGHT)
    video_temperature: tuple[float, ...] = option(
        (), "of the video teacher: at the start, at the end; (): as published", above=0, at_most=1000, when=TAUGHT
    )
    audio_temperature: tuple[float, ...] = option((), "so of the audio teacher", above=0, at_most=1000, when=TAUGHT)
    temperature_epochs: int = option(30, "epochs from the start to the end", at_least=1, at_most=100_000, when=TAUGHT)

    epochs: int = option(800, "passes over the clips", at_least=1, at_most=1_000_000, when=TRAINED)
    batch_size: int = option(256, "clips of a step", at_least=1, at_most=100_000, when=TRAINED)
    lr: float = option(1e-4, "after the warm-up", above=0, at_most=10, when=TRAINED)
    lr_final: float = option(0.0, "at the end", at_least=0, at_most=10, when=TRAINED)
    warmup_epochs: float = option(30, "in which the rate rises", at_least=0, at_most=1_000_000, when=TRAINED)
    weight_decay: float = option(0.3, "of matrices, tokens and positions", at_least=0, at_most=10, when=TRAINED)
    momentum: float = option(0.997, "with which teachers follow, at the start", at_least=0, at_most=1, when=TRAINED)
    momentum_final: float = option(1.0, "at the end", at_least=0, at_most=1, when=TRAINED)
    centre_momentum: float = option(0.9, "of the centres", at_least=0, at_most=1, when=TAUGHT)
    clip: float = option(0.3, "longest gradient of a tensor of the students", above=0, at_most=1_000_000, when=TRAINED)
    precision: str = option(
        "float32", "'amp': half where that is safe, with a scaler; on a GPU", choices=("float32", "amp"), when=TRAINED
    )  # fmt: skip

    teacher_view: str = option("", "a switch: which view teachers see", choices=("", "global", "index1"), when=TIED)
    student_tau: str = option("", "a switch: whose temperature the video student has", choices=("", "own", "audio"), when=TAUGHT)
    mmd: str = option("", "a switch: precision of the alignment", choices=("", "double", "own"), when=ALIGNED)
    blur: str = option("", "a switch: the blur of local views", choices=("", "random", "fixed"), when=TIED)

    seed: int = option(0, "of the first weights, the order, the views and what is hidden", at_least=0, at_most=2**32 - 1)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    cache_mb: float = option(2048.0, "decoded clips that are kept in memory", keyed=False, at_least=0, at_most=10_000_000)

    @property
    def views(self) -> ViewSizes:
        """How large its views are."""
        names = ViewSizes.__dataclass_fields__
        return ViewSizes(**{name: getattr(self, name) for name in names})

    @property
    def taken(self) -> bool:
        """Whether its encoders come from files."""
        return bool(self.checkpoint or self.video_checkpoint or self.audio_checkpoint)


@dataclass(frozen=True)
class EncodeParams(Preset):
    """Parameters of the frozen features; the graph decides the splits and the modalities."""

    train: str = option("train", "the split of random clips")
    test: str = option("test", "the split of fixed clips")
    modalities: tuple[str, ...] = option(MODALITIES, "which encoders", choices=MODALITIES, distinct=True)
    role: str = option("teacher", "whose encoders", choices=("teacher", "student"))
    feature: str = option("pool", "the mean of the patches, or CLS", choices=("pool", "cls"))
    train_clips: int = option(25, "random clips of a training file", at_least=1, at_most=10_000)
    test_clips: int = option(3, "clips of a test file, from its beginning to its end", at_least=1, at_most=10_000)
    crops: int = option(3, "of a test clip", at_least=1, at_most=3)
    test_crops: str = option("", "a switch: where they lie", choices=("", "spread", "same"), unless=({"crops": (1,)},))
    audio_dense: str = option("", "a switch: where the test clips of a sound lie", choices=("", "windows", "first4s"))
    seed: int = option(0, "of the random clips; the same for every network", at_least=0, at_most=2**32 - 1)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    max_lost: float = option(0.05, "share of the clips that may be lost", keyed=False, at_least=0, at_most=1)


@dataclass(frozen=True)
class SvmParams(Preset):
    """Parameters of the linear SVM on frozen features."""

    modalities: tuple[str, ...] = option(MODALITIES, "of the features", choices=MODALITIES, distinct=True)
    selection: str = option(
        "",
        "a switch: the cost is 'fixed', or the best on a part of the training files ('validation'), or on the test set",
        choices=("", "validation", "fixed", "test"),
    )
    cost: float = option(1.0, "C", above=0, at_most=1_000_000, when={"selection": ("fixed",)})
    costs: tuple[float, ...] = option(
        (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0),
        "C to choose from",
        above=0,
        at_most=1_000_000,
        distinct=True,
        unless=({"selection": ("fixed",)},),
    )
    held_out: float = option(
        0.2, "share of each class's training files that choose", above=0, below=1, unless=({"selection": ("fixed", "test")},)
    )
    standardise: bool = option(False, "bring every number of a feature to mean 0 and variance 1 over the training clips")
    seed: int = option(99_999, "of the solver", at_least=0, at_most=2**32 - 1)


@dataclass(frozen=True)
class TuneParams(Preset):
    """What a linear head and fine-tuning have in common; the graph decides the modality and the splits."""

    falls_back_to: ClassVar[str] = "tune"

    modality: str = option("video", "which encoder", choices=MODALITIES)
    train: str = option("train", "the split that is learnt from")
    test: str = option("test", "the split that is scored")
    role: str = option("teacher", "whose encoder", choices=("teacher", "student"))
    size: int = option(
        0, "pixels of a clip's side; 0: as in pre-training (published: 224)", at_least=0, at_most=4096, when={"modality": ("video",)}
    )
    epochs: int = option(100, "passes over the training files", at_least=1, at_most=1_000_000)
    batch_size: int = option(96, "files of a step", at_least=1, at_most=100_000)
    warmup_epochs: float = option(5, "in which the rate rises", at_least=0, at_most=1_000_000)
    lr_final: float = option(1e-6, "at the end", at_least=0, at_most=10)
    test_clips: int = option(3, "clips of a test file", at_least=1, at_most=10_000)
    crops: int = option(3, "of a test clip", at_least=1, at_most=3, when={"modality": ("video",)})
    test_crops: str = option("", "a switch: where they lie", choices=("", "spread", "same"), unless=({"crops": (1,)},))
    audio_dense: str = option(
        "", "a switch: where test clips of a sound lie", choices=("", "windows", "first4s"), when={"modality": ("audio",)}
    )
    seed: int = option(0, "of the head, the order and the views", at_least=0, at_most=2**32 - 1)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    cache_mb: float = option(2048.0, "decoded clips that are kept in memory", keyed=False, at_least=0, at_most=10_000_000)


@dataclass(frozen=True)
class LinearParams(TuneParams):
    """Parameters of a linear head on a frozen encoder."""

    lr: float = option(0.01, "after the warm-up", above=0, at_most=10)
    weight_decay: float = option(0.0, "of the head", at_least=0, at_most=10)
    dropout: float = option(0.0, "before the head", at_least=0, below=1)


@dataclass(frozen=True)
class FinetuneParams(TuneParams):
    """Parameters of fine-tuning: the published ones of UCF101."""

    lr: float = option(5e-4, "of the head, after the warm-up", above=0, at_most=10)
    weight_decay: float = option(0.05, "of matrices", at_least=0, at_most=10)
    layer_decay: float = option(0.45, "the rate of a block over that of the next", above=0, at_most=1)
    dropout: float = option(0.5, "before the head", at_least=0, below=1)
    smoothing: float = option(0.1, "of the labels", at_least=0, below=1)
    mixup: float = option(0.6, "alpha; 0: never", at_least=0, at_most=100)
    cutmix: float = option(0.5, "alpha; 0: never", at_least=0, at_most=100)
    cutmix_axes: str = option("", "a switch: what CutMix cuts", choices=("", "hw", "code"), unless=({"cutmix": (0.0,)},))


@dataclass(frozen=True)
class EvaluateParams:
    """Parameters of the evaluation; the graph decides the networks and the splits."""

    fold: str = option("", "of the data, '' if there is one")
    test: str = option("test", "the split that was scored")


@dataclass(frozen=True)
class TimingParams:
    """Parameters of the timing."""

    repeats: int = option(5, "the median of so many runs counts", at_least=1, at_most=100_000)
    batch_size: int = option(4, "clips per run of the batched figure", at_least=1, at_most=10_000)
    threads: int = option(1, "CPU threads of one operation", at_least=1, at_most=1024)
