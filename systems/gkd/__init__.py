"""Generative model-based feature distillation (AAAI 2024): its stages and its graph, of recognition and of temporal detection.

    teacher    an I3D with attention, and the conditional VAE that makes its features again from the attention
    student    a Top-I3D with attention: distilled (kd), alone, or with one of the two distillations (generative, attention)
    evaluate   top-1 and top-5 of recognition, mAP of detection; RGB, flow, and both together; cost
    timing     time per clip or window: the one artifact whose bytes differ from run to run

``graph.task`` chooses action recognition, or temporal action detection on AFSD (CVPR 2021). What both share is here; the rest is in
``recognition`` and ``detection``. The defaults are the published settings, with the code's mistakes mended (``switches.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cache.errors import ConfigError
from cache.stage import Config, Node, Shared, Stage, option
from systems.gkd.detection.params import ARRAYS as ARRAYS
from systems.gkd.detection.params import EVALUATE as EVALUATE_DETECTION
from systems.gkd.detection.params import STUDENT as STUDENT_DETECTION
from systems.gkd.detection.params import TEACHER as TEACHER_DETECTION
from systems.gkd.detection.params import nodes as detection_nodes
from systems.gkd.recognition.params import EVALUATE as EVALUATE
from systems.gkd.recognition.params import STUDENT as STUDENT
from systems.gkd.recognition.params import TEACHER as TEACHER
from systems.gkd.recognition.params import nodes as recognition_nodes


@dataclass(frozen=True)
class GraphParams:
    """Which of the two systems, and what its networks see."""

    task: str = option("recognition", "of trimmed clips, or detection in untrimmed videos", choices=("recognition", "detection"))
    modalities: tuple[str, ...] = option(("rgb",), "rgb, or rgb and flow", choices=("rgb", "flow"), distinct=True)
    flow: str = option(
        "plain",
        "flow students as published, without a teacher; 'distilled': from a teacher that sees flow",
        choices=("plain", "distilled"),
        unless=({"modalities": (("rgb",),)},),
    )


@dataclass(frozen=True)
class TimingParams:
    """Parameters of the timing, of either task."""

    repeats: int = option(5, "the median of so many runs counts", at_least=1, at_most=100_000)
    batch_size: int = option(4, "clips or windows per run of the batched figure", at_least=1, at_most=10_000)
    threads: int = option(1, "CPU threads of one operation", at_least=1, at_most=1024)


TIMING = Stage(
    "timing",
    "systems.gkd.recognition.timing:run",
    TimingParams,
    facets=("device",),
    help="Measure how long every network takes.",
)
TIMING_DETECTION = Stage(
    "timing",
    "systems.gkd.detection.timing:run",
    TimingParams,
    facets=("device",),
    help="Measure how long every network takes.",
)


def nodes(config: Config, shared: Shared) -> Iterator[Node]:
    """Yield the nodes of the task that is configured, for every seed; sections ``graph``, ``timing``, and those of the task."""
    graph = config.graph(GraphParams)
    if graph.modalities[:1] != ("rgb",):
        raise ConfigError("graph.modalities does not begin with rgb", hint="--set graph.modalities=[rgb,flow]")
    half, timing = (recognition_nodes, TIMING) if graph.task == "recognition" else (detection_nodes, TIMING_DETECTION)
    first = {}
    for node in half(config, shared, graph.modalities, graph.flow):
        yield node
        if node.stage.name in ("teacher", "student") and node.name.endswith(f".s{config.seeds[0]}"):
            first[node.name.rpartition(".s")[0]] = node
    yield Node("timing", timing, config.params("timing", TimingParams), first)


__all__ = [
    "ARRAYS", "EVALUATE", "EVALUATE_DETECTION",
    "STUDENT", "STUDENT_DETECTION", "TEACHER", "TEACHER_DETECTION", "TIMING", "TIMING_DETECTION", "nodes",
]  # fmt: skip
