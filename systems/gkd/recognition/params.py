"""The stages of recognition: their parameters, and which nodes there are. Defaults are the published settings (spec 5).

A switch that is '' has the value of ``preset`` (``systems/gkd/switches.py``). Nothing here imports torch: ``kdpipe status`` reads it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cache.stage import Config, Node, Shared, Stage, option
from models.backbones.registry import Backbone
from models.weights import WEIGHTS, Weights
from systems.gkd import start
from systems.gkd.switches import RECOGNITION, switches
from systems.gkd.variants import VARIANTS

MODALITIES = ("rgb", "flow")

#: When a parameter counts: where a network is trained and not taken as it is; where its weights are somebody's.
TRAINED = {"checkpoint": ("",)}


@dataclass(frozen=True)
class NetworkParams:
    """What all networks have in common; the graph decides the modality."""

    falls_back_to: ClassVar[str] = "train"

    preset: str = option("fixed", "the published code's mistakes mended, or to the letter", choices=("fixed", "released"))
    modality: str = option("rgb", "what it sees", choices=MODALITIES)
    checkpoint: str = option("", "path of a published checkpoint to take as it is, instead of training")
    fold: int = option(1, "of the dataset: its <fold>/train is trained on; published: 1", at_least=1, at_most=1000, when=TRAINED)
    frames: int = option(64, "frames of a clip", at_least=9, at_most=100_000)
    size: int = option(224, "pixels of a crop's side", at_least=8, at_most=4096)
    short: int = option(0, "frames are resized to this short side first (published: HMDB51 240); 0: they are not", at_least=0, at_most=8192)
    crops: tuple[float, ...] = option(
        (), "sides of crops in training, shares of the short side; none: as published, 1 to 0.66", above=0, at_most=1, when=TRAINED
    )
    width: float = option(1.0, "multiplies all channels of the network", above=0, at_most=8)
    dropout: float = option(0.5, "before the classifier", at_least=0, below=1)
    weighted: bool | None = option(None, "the attention weights the map; null: yes, except in flow that is not distilled, as published")
    lr: float | None = option(None, "null: as published, 0.001 for rgb and 0.01 for flow", above=0, at_most=10, when=TRAINED)
    schedule: str = option(
        "constant", "of the learning rate; published: constant; cosine: to 0 at the end", choices=("constant", "cosine"), when=TRAINED
    )
    momentum: float = option(0.9, "of SGD", at_least=0, below=1, when=TRAINED)
    weight_decay: float = option(5e-4, "of the network", at_least=0, at_most=1, when=TRAINED)
    bn_momentum: float = option(
        0.01, "share of a batch in the running statistics, as published; they lag in short trainings", above=0, at_most=1, when=TRAINED
    )
    cvae_lr: float = option(1e-4, "of the CVAE", above=0, at_most=10, when=TRAINED)
    batch_size: int | None = option(None, "clips; null: as published, 6 for rgb and 12 for flow", at_least=1, at_most=10_000, when=TRAINED)
    accumulate: int = option(1, "batches whose gradients make a step", at_least=1, at_most=10_000, when=TRAINED)
    epochs: int = option(
        200, "passes over the training clips, each of two updates where there is a CVAE", at_least=1, at_most=100_000, when=TRAINED
    )
    classification: str = option("", "a switch: R5", choices=("", "double", "single"), when=TRAINED)
    weighting: str = option("", "a switch: R6", choices=("", "batch", "clip"), when=TRAINED)
    statistics: str = option("", "a switch: R7", choices=("", "updated", "kept"), when=TRAINED)
    flow_scale: str = option("", "a switch: R9", choices=("", "whole", "half"), when={"modality": ("flow",)}, unless=({"short": (0,)},))
    flow_flip: str = option("", "a switch: R10", choices=("", "plain", "negated"), when={"modality": ("flow",), **TRAINED})
    normalise: str = option("", "a switch: R14", choices=("", "imagenet", "kinetics"))
    seed: int = option(0, "of the first weights, the clips and their crops, the order, noise and dropout", at_least=0, at_most=2**32 - 1)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    cache_mb: float = option(1024.0, "decoded videos that are kept in memory", keyed=False, at_least=0, at_most=10_000_000)

    def switch(self, name: str) -> str:
        """The value of a switch."""
        return str(getattr(self, name) or switches(self.preset, RECOGNITION)[name])


@dataclass(frozen=True)
class TeacherParams(NetworkParams):
    """Parameters of a teacher: I3D and its CVAE."""

    weights: str = option(
        "kinetics400",
        "what I3D starts from: a published name (needs weights_file), 'world' (shipped, for width 0.125), 'file', 'random'",
        when=TRAINED,
    )
    weights_file: str = option("", "path of its first weights; keyed by its content", when=TRAINED, unless=({"weights": ("random",)},))
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
    """Parameters of a student, Top-I3D; the graph decides what it learns from the teacher."""

    weights: str = option(
        "random",
        "what Top-I3D starts from: random, as published, or 'world', those of a small I3D summed over time where it sees single frames",
        choices=("random", "world"),
        when=TRAINED,
    )
    generative: bool = option(False, "its CVAE learns to make what the teacher's CVAE makes")
    attention: bool = option(False, "it learns to attend where the teacher does")
    representation: bool | None = option(
        None, "it has a CVAE of its own, and learns from what that makes of its attention; null: with a teacher only", when=TRAINED
    )
    generative_weight: float = option(
        0.01, "of the generative distillation", at_least=0, at_most=1_000_000, when={"generative": (True,), **TRAINED}
    )
    beta: float = option(0.1, "weight of the attention distillation", at_least=0, at_most=1_000_000, when={"attention": (True,), **TRAINED})

    @property
    def data(self) -> tuple[Path, ...]:
        """The shipped weights, if it starts from them."""
        return (WEIGHTS[start.SHIPPED].path,) if self.weights == "world" else ()


@dataclass(frozen=True)
class EvaluateParams:
    """Parameters of the evaluation; the graph decides the networks."""

    fold: int = option(1, "its <fold>/test is scored", at_least=1, at_most=1000)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)
    cache_mb: float = option(1024.0, "decoded videos that are kept in memory", keyed=False, at_least=0, at_most=10_000_000)


TEACHER = Stage(
    "teacher",
    "systems.gkd.recognition.teacher:run",
    TeacherParams,
    files=("checkpoint", "cvae_checkpoint", "weights_file"),
    facets=("device",),
    data="data",
    verb="distill",
    needs=("class",),
)
STUDENT = Stage(
    "student",
    "systems.gkd.recognition.student:run",
    StudentParams,
    files=("checkpoint",),
    facets=("device",),
    data="data",
    verb="distill",
    needs=("class",),
)
EVALUATE = Stage(
    "evaluate",
    "systems.gkd.recognition.evaluate:run",
    EvaluateParams,
    facets=("device",),
    help="Score every network by the paper's protocol.",
    needs=("class",),
)


def nodes(config: Config, shared: Shared, modalities: Sequence[str], flow: str) -> Iterator[Node]:
    """Yield the nodes of recognition for every seed, but the timing.

    Sections: ``teacher``, ``student`` (``student.alone``, ``.kd``, ``.generative``, ``.attention`` speak to one variant), each with
    ``.flow`` for those that see flow, ``train`` (for all of them), ``evaluate``.
    """
    sources = {m: shared("sample") if m == "rgb" else shared("derive", "flow") for m in modalities}
    index = shared("index")
    for seed in config.seeds:
        networks: dict[str, Node] = {}
        for modality, frames in sources.items():
            ending = "" if modality == "rgb" else f".{modality}"
            data = {"index": index, "frames": frames}
            taught = modality == "rgb" or flow == "distilled"
            if taught:
                own = config.params(f"teacher{ending}", TeacherParams, seed=seed, modality=modality)
                if not own.weights_file and own.named_weights not in ("", "random", "file"):
                    own = dataclasses.replace(own, weights_file=config.imported_weights(own.network.name, own.weights))
                networks[f"teacher{ending}"] = Node(f"teacher{ending}.s{seed}", TEACHER, own, {} if own.checkpoint else data)
            for variant, (generative, attention) in VARIANTS.items():
                if modality != "rgb" and variant not in (("alone", "kd") if taught else ("alone",)):
                    continue
                name = f"student.{variant}{ending}"
                choices = {"modality": modality, "generative": generative, "attention": attention}
                learner = config.params(name, StudentParams, seed=seed, **choices)
                teacher = {"teacher": networks[f"teacher{ending}"]} if generative or attention else {}
                networks[name] = Node(f"{name}.s{seed}", STUDENT, learner, {} if learner.checkpoint else {**data, **teacher})
        yield from networks.values()
        scored = config.params("evaluate", EvaluateParams)
        seen = {"frames" if m == "rgb" else m: node for m, node in sources.items()}
        yield Node(f"evaluate.s{seed}", EVALUATE, scored, {"index": index, **seen, **networks})
