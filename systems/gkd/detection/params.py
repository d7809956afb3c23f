"""The stages of detection: their parameters, and which nodes there are. Defaults are the published settings (spec 5).

A switch that is '' has the value of ``preset`` (``systems/gkd/switches.py``). Nothing here imports torch: ``kdpipe status`` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cache.stage import Config, Node, Shared, Stage, option
from systems.gkd.switches import DETECTION, switches
from systems.gkd.variants import VARIANTS

MODALITIES = ("rgb", "flow")


@dataclass(frozen=True)
class NetworkParams:
    """What all networks have in common; the graph decides the modality."""

    falls_back_to: ClassVar[str] = "train"

    preset: str = option("fixed", "the published code's mistakes mended, or to the letter", choices=("fixed", "released"))
    modality: str = option("rgb", "what it sees", choices=MODALITIES)
    checkpoint: str = option("", "path of a published checkpoint to take as it is, instead of training")
    seed: int = option(0, "of the first weights, the windows' crops, the order and the noise", at_least=0, at_most=2**32 - 1)
    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)

    def switch(self, name: str) -> str:
        """The value of a switch."""
        return str(getattr(self, name) or switches(self.preset, DETECTION)[name])


@dataclass(frozen=True)
class TeacherParams(NetworkParams):
    """Parameters of a teacher: AFSD on I3D, and its CVAE."""


@dataclass(frozen=True)
class StudentParams(NetworkParams):
    """Parameters of a student: AFSD on Top-I3D; the graph decides what it learns from the teacher."""

    generative: bool = option(False, "its CVAE learns to make what the teacher's CVAE makes")
    attention: bool = option(False, "it learns to attend where the teacher does")


@dataclass(frozen=True)
class EvaluateParams:
    """Parameters of the evaluation; the graph decides the networks."""

    threads: int = option(1, "CPU threads of one operation; in the key, because sums are split by it", at_least=1, at_most=1024)


TEACHER = Stage("teacher", "systems.gkd.detection.teacher:run", TeacherParams, files=("checkpoint",), facets=("device",), verb="distill")
STUDENT = Stage("student", "systems.gkd.detection.student:run", StudentParams, files=("checkpoint",), facets=("device",), verb="distill")
EVALUATE = Stage(
    "evaluate",
    "systems.gkd.detection.evaluate:run",
    EvaluateParams,
    facets=("device",),
    help="Score every network by the paper's protocol.",
)


def nodes(config: Config, shared: Shared, modalities: Sequence[str], flow: str) -> Iterator[Node]:
    """Yield the nodes of detection for every seed, but the timing.

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
