"""The stages of detection: their parameters, and which nodes there are. Defaults are the published settings (spec 5).

A switch that is '' has the value of ``preset`` (``systems/gkd/switches.py``). Nothing here imports torch: ``kdpipe status`` reads it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cache.stage import Config, Node, Shared, Stage, option
from models.backbones.registry import Backbone
from models.weights import WEIGHTS, Weights
from systems.gkd import start
from systems.gkd.switches import DETECTION, switches
from systems.gkd.variants import VARIANTS

MODALITIES = ("rgb", "flow")

#: When a parameter counts: where a network is trained and not taken as it is.
TRAINED = {"checkpoint": ("",)}
COSINE = {"schedule": ("cosine",), **TRAINED}


@dataclass(frozen=True)
class ArraysParams:
    """Parameters of the arrays that detection reads; the graph decides the modality."""

    source: str = option("frames", "made of sampled frames, or AFSD's own npy files under the data root", choices=("frames", "npy"))
    modality: str = option("rgb", "what the arrays hold", choices=MODALITIES)
    size: int = option(112, "pixels of a side; pictures lose their shape", at_least=8, at_most=4096, when={"source": ("frames",)})
    fps: float = option(10.0, "frames a second: those of sample.fps, or of the npy files", above=0, at_most=1000)
    max_lost: float = option(0.02, "fraction of arrays that may be damaged before the stage fails", keyed=False, at_least=0, at_most=1)


@dataclass(frozen=True)
class NetworkParams:
    """What all networks have in common; the graph decides the modality."""

    falls_back_to: ClassVar[str] = "train"

    preset: str = option("fixed", "the published code's mistakes mended, or to the letter", choices=("fixed", "released"))
    modality: str = option("rgb", "what it sees", choices=MODALITIES)
    checkpoint: str = option("", "path of a published checkpoint to take as it is, instead of training")
    split: str = option("val", "of the dataset, to train on", when=TRAINED)
    frames: int = option(256, "frames of a window, a multiple of 8", at_least=16, at_most=100_000)
    size: int = option(96, "pixels of a crop's side", at_least=8, at_most=4096)
    levels: int = option(6, "of the pyramid; its finest has a step for four frames, each other half as many", at_least=2, at_most=16)
    width: float = option(1.0, "multiplies all channels of the network", above=0, at_most=8)
    stride: int = option(30, "frames from one training window to the next", at_least=1, at_most=100_000, when=TRAINED)
    weighted: bool | None = option(
        None,
        "its head sees maps that an attention weights; null: as published, all but students without a teacher (plain AFSD) "
        "and files of flow",
    )
    freeze_bn: bool = option(True, "batch normalisation keeps its first statistics, those of a checkpoint or 0 and 1", when=TRAINED)
    bn_momentum: float = option(
        0.01,
        "share of a batch in the running statistics, as published; after 200 steps 13 % of the first ones are left",
        above=0,
        at_most=1,
        when={"freeze_bn": (False,), **TRAINED},
    )
    lr: float | None = option(
        None, "null: as published, 1e-6 for rgb students that have an attention, 1e-5 for others", above=0, at_most=10, when=TRAINED
    )
    schedule: str = option(
        "constant", "of the learning rate; published: constant; cosine: to 0 at the end", choices=("constant", "cosine"), when=TRAINED
    )
    warmup: int = option(0, "steps before the cosine, in which the rate rises", at_least=0, at_most=1_000_000, when=COSINE)
    weight_decay: float = option(1e-3, "of the network", at_least=0, at_most=1, when=TRAINED)
    cvae_lr: float = option(1e-4, "of the CVAE", above=0, at_most=10, when=TRAINED)
    batch_size: int = option(1, "windows of a step; the last, smaller batch is dropped", at_least=1, at_most=10_000, when=TRAINED)
    epochs: int | None = option(
        None,
        "passes over the windows, each of two updates where there is a CVAE; null: as published, 50 for rgb students that have an "
        "attention, 20 for others that have one and for flow, 16 for plain AFSD",
        at_least=1,
        at_most=100_000,
        when=TRAINED,
    )
    lw: float = option(10.0, "weight of the distances", at_least=0, at_most=1_000_000, when=TRAINED)
    cw: float = option(1.0, "weight of the classes", at_least=0, at_most=1_000_000, when=TRAINED)
    ssl: float = option(0.1, "weight of the contrastive branch", at_least=0, at_most=1_000_000, when=TRAINED)
    background: float = option(35.0, "weight of the background pass", at_least=0, at_most=1_000_000, when=TRAINED)
    piou: float = option(0.5, "overlap from which a refined position has a class", at_least=0, at_most=1, when=TRAINED)
    focal_loss: bool = option(True, "classes by focal loss, not by cross-entropy", when=TRAINED)
    reconstructed: str = option("", "a switch: D2", choices=("", "raw", "overwritten"), when=TRAINED)
    pooling_gradient: str = option("", "a switch: D3", choices=("", "true", "published"), when=TRAINED)
    weighting: str = option("", "a switch: D4", choices=("", "sum", "mean"))
    affine: str = option("", "a switch: D5", choices=("", "trained", "frozen"), when={"freeze_bn": (True,), **TRAINED})
    contrasted: str = option("", "a switch: D13", choices=("", "every", "first"), when=TRAINED)
    flow_flip: str = option("", "a switch: R10", choices=("", "plain", "negated"), when={"modality": ("flow",), **TRAINED})
    seed: int = option(0, "of the first weights, the windows' crops, the order and the noise", at_least=0, at_most=2**32 - 1)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)

    def switch(self, name: str) -> str:
        """The value of a switch."""
        return str(getattr(self, name) or switches(self.preset, DETECTION)[name])


@dataclass(frozen=True)
class TeacherParams(NetworkParams):
    """Parameters of a teacher: AFSD on I3D, and its CVAE."""

    weights: str = option(
        "kinetics400",
        "what I3D starts from: a published name (needs weights_file), 'world' (shipped, for width 0.125), 'file' (weights_file), 'random'",
        when=TRAINED,
    )
    weights_file: str = option(
        "",
        "path of its first weights, of I3D alone or of a whole AFSD; keyed by its content",
        when=TRAINED,
        unless=({"weights": ("random",)},),
    )
    cvae_checkpoint: str = option("", "path of the CVAE of that checkpoint", unless=({"checkpoint": ("",)},))

    @property
    def network(self) -> Backbone:
        """The registry's entry of I3D."""
        return start.network(self)

    @property
    def published(self) -> list[Weights]:
        """The known weights of I3D."""
        return start.published(self)

    @property
    def named_weights(self) -> str:
        """The short name of the weights, "" of a checkpoint, which has them all."""
        return start.named_weights(self)

    @property
    def data(self) -> tuple[Path, ...]:
        """The shipped weights, if it starts from them."""
        return start.shipped(self)


@dataclass(frozen=True)
class StudentParams(NetworkParams):
    """Parameters of a student; the graph decides what it learns from the teacher."""

    weights: str = option(
        "random",
        "what Top-I3D starts from: random, as published, or 'world', those of a small I3D summed over time where it sees single frames",
        choices=("random", "world"),
        when={"modality": ("rgb",), **TRAINED},
    )
    generative: bool = option(False, "its CVAE learns to make what the teacher's CVAE makes")
    attention: bool = option(False, "it learns to attend where the teacher does")
    representation: bool | None = option(
        None, "it has a CVAE of its own, and learns from what that makes of its attention; null: with a teacher only", when=TRAINED
    )
    beta: float = option(
        10.0, "weight of the attention distillation", at_least=0, at_most=1_000_000, when={"attention": (True,), **TRAINED}
    )

    @property
    def data(self) -> tuple[Path, ...]:
        """The shipped weights, if it starts from them."""
        return (WEIGHTS[start.SHIPPED].path,) if self.weights == "world" else ()


@dataclass(frozen=True)
class EvaluateParams:
    """Parameters of the evaluation; the graph decides the networks."""

    preset: str = option("fixed", "the published code's mistakes mended, or to the letter", choices=("fixed", "released"))
    split: str = option("test", "of the dataset, to be scored")
    thresholds: str = option(
        "afsd", "tIoU that the main score is averaged over: 0.3 to 0.7, or as the released program 0.1 to 0.5", choices=("afsd", "released")
    )
    stride: int = option(128, "frames from one test window to the next", at_least=1, at_most=100_000)
    threshold: float = option(0.01, "scores above it are candidates", at_least=0, below=1)
    top_k: int = option(5000, "detections of a class in a video", at_least=1, at_most=1_000_000)
    sigma: float | None = option(
        None, "of soft-NMS; null: as published, 0.1 for rgb and for both, 0.5 for flow and as AFSD", above=0, at_most=1000
    )
    padding: str = option("", "a switch: D10", choices=("", "grey", "black"))
    last: str = option("", "a switch: D11", choices=("", "lost", "kept"))
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)

    def switch(self, name: str) -> str:
        """The value of a switch."""
        return str(getattr(self, name) or switches(self.preset, DETECTION)[name])


ARRAYS = Stage("arrays", "systems.gkd.detection.assemble:run", ArraysParams, tolerance="max_lost")
ARRAYS_GIVEN = Stage(
    "arrays",
    "systems.gkd.detection.given_arrays:run",
    ArraysParams,
    sources="systems.gkd.detection.given_arrays:sources",
    raw=True,
    tolerance="max_lost",
)
TEACHER = Stage(
    "teacher",
    "systems.gkd.detection.teacher:run",
    TeacherParams,
    files=("checkpoint", "cvae_checkpoint", "weights_file"),
    facets=("device",),
    data="data",
    verb="distill",
    needs=("segments",),
)
STUDENT = Stage(
    "student",
    "systems.gkd.detection.student:run",
    StudentParams,
    files=("checkpoint",),
    facets=("device",),
    data="data",
    verb="distill",
    needs=("segments",),
)
EVALUATE = Stage(
    "evaluate",
    "systems.gkd.detection.evaluate:run",
    EvaluateParams,
    facets=("device",),
    help="Score every network by the paper's protocol.",
    needs=("segments",),
)


def nodes(config: Config, shared: Shared, modalities: Sequence[str], flow: str) -> Iterator[Node]:
    """Yield the nodes of detection for every seed, but the timing.

    Sections: ``arrays``, ``teacher``, ``student`` (``student.alone``, ``.kd``, ``.generative``, ``.attention`` speak to one variant), each
    with ``.flow`` for those that see flow, ``train`` (for all networks), ``evaluate``.
    """
    index = shared("index")
    arrays = {modality: _arrays(config, shared, modality) for modality in modalities}
    yield from arrays.values()
    for seed in config.seeds:
        networks: dict[str, Node] = {}
        for modality, array in arrays.items():
            networks |= dict(_networks(config, seed, modality, {"index": index, "arrays": array}, modality == "rgb" or flow == "distilled"))
        yield from networks.values()
        scored = config.params("evaluate", EvaluateParams)
        seen = {node.name: node for node in arrays.values()}
        yield Node(f"evaluate.s{seed}", EVALUATE, scored, {"index": index, **seen, **networks})


def ending_of(modality: str) -> str:
    """How the names of nodes end that are of a modality."""
    return "" if modality == "rgb" else f".{modality}"


def _arrays(config: Config, shared: Shared, modality: str) -> Node:
    name = f"arrays{ending_of(modality)}"
    own = config.params(name, ArraysParams, modality=modality)
    if own.source == "npy":
        return Node(name, ARRAYS_GIVEN, own)
    return Node(name, ARRAYS, own, {"frames": shared("sample") if modality == "rgb" else shared("derive", "flow")})


def _networks(config: Config, seed: int, modality: str, data: Mapping[str, Node], taught: bool) -> Iterator[tuple[str, Node]]:
    """(name, node) of a seed's networks of a modality; without a teacher there is a student alone."""
    ending, teacher = ending_of(modality), None
    if taught:
        own = config.params(f"teacher{ending}", TeacherParams, seed=seed, modality=modality)
        if not own.weights_file and own.named_weights not in ("", "random", "file"):
            own = dataclasses.replace(own, weights_file=config.imported_weights(own.network.name, own.weights))
        teacher = Node(f"teacher{ending}.s{seed}", TEACHER, own, {} if own.checkpoint else data)
        yield f"teacher{ending}", teacher
    for variant, (generative, attention) in VARIANTS.items():
        if modality != "rgb" and variant not in (("alone", "kd") if taught else ("alone",)):
            continue
        name = f"student.{variant}{ending}"
        learner = config.params(name, StudentParams, seed=seed, modality=modality, generative=generative, attention=attention)
        reads = {**data, "teacher": teacher} if teacher is not None and (generative or attention) else data
        yield name, Node(f"{name}.s{seed}", STUDENT, learner, {} if learner.checkpoint else reads)
