"""Lite-MKD: few-shot action recognition distilled from RGB, flow and depth (ACM MM 2023): its stages and its graph.

    expert     a network of one modality, trained on episodes
    dump       its frame features of every few-shot video, once (dump.rgb ...); the teacher's fused ones (dump.fused)
    teacher    the modalities' features, fused, and a head on them (MFM)
    student    a small RGB network: distilled from fused features (kd), from those of RGB (rgb), alone
    evaluate   accuracy over episodes of the test classes, cost
    timing     time per episode: the one artifact whose bytes differ from run to run

Eight frames of each video come from ``sample``, pictures of flow, depth and skeletons from ``derive``. The defaults are the published
settings, with the code's mistakes mended (``switches.py``). Same seed, same episodes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from cache.errors import ConfigError
from cache.stage import Config, Node, Shared, Stage, option
from models.backbones.registry import find, module_of
from systems.litemkd.kinds import HEADS, SHAPES
from systems.litemkd.objectives import OBJECTIVES
from systems.litemkd.parameters import TRAINED, PicturesParams, Preset, TrainParams

MODALITIES = ("rgb", "depth", "flow", "skeleton")
VARIANTS = ("shift", "shift-otam", "plain", "joint", "two", "two-shift", "four", "pairs-three", "pairs-four")
KINDS = ("trx", "trm", "baseline", "strm")
#: When a parameter counts: where there is a teacher.
TAUGHT = {"learns_from": ("fused", "rgb")}
#: student -> what it learns from, in the order of the report
STUDENTS = {"kd": "fused", "rgb": "rgb", "alone": "none"}
#: what students learn from -> the authors' features, which may be imported in its place
IMPORTS = {"fused": "mm_features", "rgb": "rgb_features"}


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


FILES = ("checkpoint", "weights_file")
NETWORK: Mapping[str, Any] = {"facets": ("device",), "modules": "modules", "libraries": "libraries", "data": "data", "verb": "distill"}
EXPERT = Stage("expert", "systems.litemkd.expert:run", ExpertParams, files=FILES, **NETWORK)
DUMP = Stage(
    "dump",
    "systems.litemkd.dump:run",
    DumpParams,
    facets=("device",),
    items=("index", "frames"),
    modules="modules",
    libraries="libraries",
    tolerance="max_lost",
    verb="distill",
)
TEACHER = Stage("teacher", "systems.litemkd.teacher:run", TeacherParams, files=("checkpoint",), facets=("device",), verb="distill")
FUSE = Stage(
    "dump",
    "systems.litemkd.fuse:run",
    FuseParams,
    facets=("device",),
    items=("index", *MODALITIES),
    tolerance="max_lost",
    verb="distill",
)
STUDENT = Stage("student", "systems.litemkd.student:run", StudentParams, files=FILES, **NETWORK)
EVALUATE = Stage(
    "evaluate",
    "systems.litemkd.evaluate:run",
    EvaluateParams,
    facets=("device",),
    modules="modules",
    libraries="libraries",
    help="Score every network by the paper's protocol.",
)
TIMING = Stage(
    "timing",
    "systems.litemkd.timing:run",
    TimingParams,
    facets=("device",),
    modules="modules",
    help="Measure how long every network takes.",
)

Pictures = TypeVar("Pictures", bound=PicturesParams)


@dataclass(frozen=True)
class GraphParams:
    """What the teacher sees beside RGB."""

    modalities: tuple[str, ...] = option(("flow", "depth"), "derived from RGB", choices=("flow", "depth", "skeleton"), distinct=True)


def nodes(config: Config, shared: Shared) -> Iterator[Node]:
    """Yield the nodes of this system, for every seed.

    Sections: ``graph``, ``expert`` (``expert.rgb``, ``expert.flow`` ... speak to one), ``teacher``, ``student`` (``student.kd``,
    ``student.rgb``, ``student.alone``), ``dump.<modality>``, ``dump.fused``, ``train`` (for all of these), ``evaluate``, ``timing``.

    What was imported (``mm_features``, ``rgb_features``, ``rgb_l8``, ``flow_l8`` ...) is read in place of what would be computed; networks
    that nothing needs then are not there.
    """
    chosen = config.graph(GraphParams).modalities
    if not chosen:
        raise ConfigError("graph.modalities is empty, and RGB alone has nothing to fuse", hint="--set graph.modalities=[flow,depth]")
    index, first = shared("index"), None
    pictures = _pictures(shared, index, chosen)
    imported = {source: node for source, kind in IMPORTS.items() if (node := shared.imported(kind)) is not None}
    for seed in config.seeds:
        experts, dumps = {}, {}
        for modality, frames in pictures.items():
            params = _found(config, config.params(f"expert.{modality}", ExpertParams, seed=seed, modality=modality))
            reads = {} if params.checkpoint else {"index": index, "frames": frames}
            experts[modality] = Node(f"expert.{modality}.s{seed}", EXPERT, params, reads)
            own = config.params(f"dump.{modality}", DumpParams, backbone=params.backbone)
            dumps[modality] = Node(f"dump.{modality}.s{seed}", DUMP, own, {"expert": experts[modality], "index": index, "frames": frames})
        teacher, fused = _fused(config, index, dumps, seed)
        students = {}
        for variant, source in STUDENTS.items():
            learner = _found(config, config.params(f"student.{variant}", StudentParams, seed=seed, learns_from=source))
            taught = _taught(learner, {"fused": (fused, teacher), "rgb": (dumps["rgb"], experts["rgb"])}, imported)
            reads = {} if learner.checkpoint else {"index": index, "frames": pictures["rgb"], **taught}
            students[f"student.{variant}"] = Node(f"student.{variant}.s{seed}", STUDENT, learner, reads)
        made = {"teacher": teacher, **{f"expert.{m}": node for m, node in experts.items()}}
        networks = {**{name: node for name, node in made.items() if _needed(name, imported)}, **students}
        features = {f"dump.{m}": node for m, node in dumps.items() if f"expert.{m}" in networks}
        heads = {name: made[name] for name in ("teacher", "expert.rgb") if made[name].name in _heads(students)}
        yield from ({**networks, **heads}.values())
        yield from (*features.values(), *([fused] if "teacher" in networks else []))
        trunks = _trunks(students)
        scored = config.params("evaluate", EvaluateParams, backbones=trunks)
        yield Node(f"evaluate.s{seed}", EVALUATE, scored, {"index": index, "frames": pictures["rgb"], **networks, **features})
        first = first or networks
    if first:
        yield Node("timing", TIMING, config.params("timing", TimingParams, backbones=_trunks(first)), first)


def _fused(config: Config, index: Node, dumps: Mapping[str, Node], seed: int) -> tuple[Node, Node]:
    """The teacher and its dump."""
    own = config.params("teacher", TeacherParams, seed=seed, modalities=tuple(dumps))
    teacher = Node(f"teacher.s{seed}", TEACHER, own, {} if own.checkpoint else {"index": index, **dumps})
    params = config.params("dump.fused", FuseParams, modalities=tuple(dumps))
    return teacher, Node(f"dump.fused.s{seed}", FUSE, params, {"teacher": teacher, "index": index, **dumps})


def _pictures(shared: Shared, index: Node, chosen: Sequence[str]) -> dict[str, Node]:
    """The frames of every modality: imported, or sampled and derived."""
    rgb = shared.imported("rgb_l8")
    found = {"rgb": rgb or shared("sample")}
    for modality in [modality for modality in MODALITIES if modality in chosen]:
        reads = None if rgb is None else {"index": index, "sample": rgb}
        found[modality] = shared.imported(f"{modality}_l8") or shared("derive", modality, reads=reads)
    return found


def _needed(name: str, imported: Mapping[str, Node]) -> bool:
    """Whether a network is in the graph: a teacher and its experts unless fused features are imported, and rgb's unless its are too."""
    return "fused" not in imported or (name == "expert.rgb" and "rgb" not in imported)


def _taught(params: StudentParams, sources: Mapping[str, tuple[Node, Node]], imported: Mapping[str, Node]) -> dict[str, Node]:
    """What a student learns from: nothing, or features, and the network whose head is on them unless that is random.

    The head on imported features is that of a published checkpoint, if one is named (``possible.py`` asks for it).
    """
    if params.learns_from == "none":
        return {}
    features, network = sources[params.learns_from]
    head = params.switch("teacher_head") == "checkpoint"
    if params.learns_from in imported:
        features, head = imported[params.learns_from], head and bool(network.params.checkpoint)
    return {"features": features} | ({"teacher": network} if head else {})


def _heads(students: Mapping[str, Node]) -> set[str]:
    """The networks whose heads students learn from."""
    return {node.reads["teacher"] for node in students.values() if "teacher" in node.reads}


def _found(config: Config, params: Pictures) -> Pictures:
    """The record with the file of imported weights, where none is named and none is shipped."""
    if params.weights_file or params.named_weights in ("", "random", "world", "file"):
        return params
    return dataclasses.replace(params, weights_file=config.imported_weights(params.backbone, params.weights))


def _trunks(nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """The trunks of the networks that see pictures."""
    return tuple(sorted({node.params.backbone for node in nodes.values() if isinstance(node.params, PicturesParams)}))
